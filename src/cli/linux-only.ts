import { HalfOpenError } from "../core/errors.ts";
import { openPort, whyNoPort } from "../kernel/port/open-port.ts";
import type { SystemPort } from "../kernel/port/port.ts";
import { NotPossibleHere } from "./command.ts";

/** Opens the port for a command that reads the whole machine. @throws NotPossibleHere */
export function machinePort(command: string): SystemPort {
  if (process.platform !== "linux") {
    throw new NotPossibleHere(
      `halfopen ${command} reads the connections of the whole machine through Linux' sock_diag, and ${process.platform} has nothing like it. ` +
        "Use halfopen system here, and in programs watch(), setKeepalive() and the rest of the library",
    );
  }
  const port = openPort();
  if (!port)
    throw new NotPossibleHere(
      `halfopen ${command} needs a native back-end, and there is none: ${whyNoPort()}`,
    );
  return port;
}

/** Runs `work`, and turns a refusal of the system into exit code 3. */
export async function whereAllowed<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (
      error instanceof HalfOpenError &&
      (error.code === "ERR_NOT_SUPPORTED" || error.code === "ERR_PERMISSION")
    ) {
      throw new NotPossibleHere(error.message);
    }
    throw error;
  }
}
