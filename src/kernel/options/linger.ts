import { platform } from "../port/platform.ts";
import { requirePort } from "../port/socket-option.ts";

/** struct linger { int l_onoff = 1; int l_linger = 0; } */
const RESET = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);

/**
 * Makes the coming close() send an RST and drop unsent data, instead of leaving an orphan that
 * retransmits.
 */
export function resetOnClose(fd: number): void {
  requirePort().setsockopt(fd, platform.solSocket, platform.soLinger, RESET);
}
