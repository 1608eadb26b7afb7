import { openKoffiPort } from "./koffi-port.ts";
import { isMasked, withMaskedTcpInfo } from "./mask.ts";
import { openNodeFfiPort } from "./node-ffi-port.ts";
import type { SystemPort } from "./port.ts";
import { whyNoDescriptors } from "./runtime.ts";

const BACK_ENDS: Readonly<Record<string, () => SystemPort>> = {
  koffi: openKoffiPort,
  "node:ffi": openNodeFfiPort,
};

let port: SystemPort | null | undefined;
let why: string | null = null;

/**
 * Returns the port to Linux, opened on first use; `null` on other systems (see open-socket-port.ts)
 * and where no native back-end works. Never throws.
 */
export function openPort(): SystemPort | null {
  if (port === undefined) port = open();
  return port;
}

/** Returns in words why there is no port; `null` when there is one. */
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
    why = `only Linux has it, and this is ${process.platform}`;
    return null;
  }
  why = whyNoDescriptors();
  if (why !== null) return null;

  // koffi comes first: measured on Node 26, it takes half the time. node:ffi is experimental, and
  // prints a warning when loaded.
  const failures: string[] = [];
  for (const [name, openBackEnd] of Object.entries(BACK_ENDS)) {
    try {
      if (!isMasked(name as "koffi" | "node:ffi")) return withMaskedTcpInfo(openBackEnd());
      failures.push(`${name} is hidden by HALFOPEN_MASK`);
    } catch (error) {
      failures.push(`${name}: ${firstLine(error)}`);
    }
  }
  why = failures.join("; ");
  return null;
}

/** The error for a module that is not found lists its requirers on further lines. */
function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
