import { getSystemErrorMap } from "node:util";
import type { SystemError } from "../../core/errors.ts";

/**
 * Returns the system's error of that code, with the number that Node has in `error.errno` (libuv's:
 * -104 for ECONNRESET on Linux). `null` for what is no code of the kernel's.
 */
export function systemErrorOf(code: unknown): SystemError | null {
  return errors.get(code as string) ?? readError(code);
}

/** One object a code, because all connections share it. */
const errors = new Map<string, SystemError>();

function readError(code: unknown): SystemError | null {
  const found = [...getSystemErrorMap()].find(
    ([, [name]]) => name === code && !NOT_KERNEL.test(name),
  );
  if (!found) return null;
  const [errno, [name]] = found;
  const error = { code: name as SystemError["code"], errno };
  errors.set(name, error);
  return error;
}

/** What libuv adds to the kernel's errors: of its resolver, its end of a file, its characters. */
const NOT_KERNEL = /^(?:EAI_.*|EOF|ECHARSET|UNKNOWN)$/;
