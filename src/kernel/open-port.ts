import { openKoffiPort } from "./koffi-port.ts";
import { isMasked } from "./mask.ts";
import type { SystemPort } from "./port.ts";

let port: SystemPort | null | undefined;
let why: string | null = null;

/** The port to the OS, opened on first use; `null` where no native back-end works. Never throws. */
export function openPort(): SystemPort | null {
  if (port === undefined) port = open();
  return port;
}

/** Why there is no port, in words; `null` when there is one. */
export function whyNoPort(): string | null {
  openPort();
  return why;
}

function open(): SystemPort | null {
  if (isMasked("ffi")) {
    why = "hidden by HALFOPEN_MASK=ffi";
    return null;
  }
  if (process.platform !== "linux") {
    why = `no back-end for ${process.platform} yet`;
    return null;
  }
  try {
    return openKoffiPort();
  } catch (error) {
    why = `koffi could not be loaded: ${error instanceof Error ? error.message : String(error)}`;
    return null;
  }
}
