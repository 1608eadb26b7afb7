import { getSystemErrorMap } from "node:util";

/** An errno as people know it: `EPERM, operation not permitted`. */
export function errnoText(errno: number): string {
  const known = getSystemErrorMap().get(-errno);
  return known ? `${known[0]}, ${known[1]}` : `errno ${errno}`;
}
