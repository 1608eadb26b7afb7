import { getSystemErrorMap } from "node:util";

/** An errno by its name: `ECONNRESET`. */
export function errnoName(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[0] ?? `errno ${errno}`;
}

/** An errno as people know it: `EPERM, operation not permitted`. */
export function errnoText(errno: number): string {
  const known = getSystemErrorMap().get(-errno);
  return known ? `${known[0]}, ${known[1]}` : `errno ${errno}`;
}
