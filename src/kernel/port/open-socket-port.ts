import { openBsdPort } from "./koffi-port.ts";
import { isMasked } from "./mask.ts";
import { openPort, whyNoPort } from "./open-port.ts";
import { whyNoDescriptors } from "./runtime.ts";
import type { SocketPort } from "./socket-port.ts";
import { openWinsockPort, type WinsockPort } from "./winsock-port.ts";

/** Systems other than Linux, whose own port offers far more (see port.ts). */
const BACK_ENDS: Readonly<Record<string, () => SocketPort>> = {
  win32: openWinsockPort,
  darwin: openBsdPort,
  freebsd: openBsdPort,
};

let port: SocketPort | null | undefined;
let why: string | null = null;

/**
 * Returns the port for options of one socket, on every OS of the table in platform.ts; `null` where
 * no native back-end works. Never throws.
 */
export function openSocketPort(): SocketPort | null {
  if (port === undefined) port = Object.hasOwn(BACK_ENDS, process.platform) ? open() : openPort();
  return port;
}

/** Returns in words why there is no such port; `null` when there is one. */
export function whyNoSocketPort(): string | null {
  return openSocketPort() ? null : (why ?? whyNoPort());
}

/** Returns the port of Windows; `null` elsewhere or without koffi. */
export function openedWinsock(): WinsockPort | null {
  const opened = process.platform === "win32" ? openSocketPort() : null;
  return opened as WinsockPort | null;
}

function open(): SocketPort | null {
  if (isMasked("ffi") || isMasked("koffi")) {
    why = "hidden by HALFOPEN_MASK";
    return null;
  }
  why = whyNoDescriptors();
  if (why !== null) return null;
  try {
    return BACK_ENDS[process.platform]?.() ?? null;
  } catch (error) {
    why = `koffi: ${(error instanceof Error ? error.message : String(error)).split("\n")[0]}`;
    return null;
  }
}
