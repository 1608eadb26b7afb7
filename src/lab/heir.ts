import type { Socket } from "node:net";
import { Talk } from "./talk.ts";

/**
 * Takes over connections of the watched program, each with its id, and tells the id of each that
 * ends. Talks on where the program talked.
 */
process.on("message", ({ id, talks }: Inheritance, socket?: Socket) => {
  if (!socket) return; // ended on its way
  socket.on("error", () => {});
  socket.on("close", () => process.send?.({ id }));
  socket.resume();
  if (talks) new Talk(socket, false);
});
process.on("disconnect", () => process.exit(0));

/** What comes with a socket. */
export interface Inheritance {
  readonly id: string;
  readonly talks: boolean;
}
