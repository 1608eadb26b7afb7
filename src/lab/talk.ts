import type { Socket } from "node:net";

const WRITE_EVERY_MS = 100;
/** Fills the buffers of a closed window within a second. */
const BULK = "x".repeat(65_536);

/** Writes to a socket until it closes or {@link Talk.stop}: a few bytes, or all the peer takes. */
export class Talk {
  readonly #timer: NodeJS.Timeout;

  constructor(socket: Socket, isBulk: boolean) {
    this.#timer = setInterval(() => {
      // Respects back-pressure, as a good program does: stops writing while the peer does not read.
      if (isBulk && socket.writableLength > 8 * BULK.length) return;
      socket.write(isBulk ? BULK : "data\n");
    }, WRITE_EVERY_MS);
    socket.on("close", () => this.stop());
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
