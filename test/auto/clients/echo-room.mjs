import { Room } from "@colyseus/core";

/**
 * A Colyseus room that echoes. `EchoRoom.seen` informs the program of a client's coming, answers
 * and going, where the program wants to know.
 */
export class EchoRoom extends Room {
  static seen = { joined: () => {}, answered: () => {}, left: () => {} };

  onCreate() {
    this.onMessage("echo", (client, text) => client.send("echo", text));
    this.onMessage("answer", (_, text) => EchoRoom.seen.answered(text));
  }

  onJoin(client) {
    EchoRoom.seen.joined(client);
  }

  onLeave() {
    EchoRoom.seen.left();
  }
}
