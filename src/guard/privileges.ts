import { release } from "node:os";
import { HalfOpenError } from "../core/errors.ts";
import { missingPrivileges, type Privilege } from "../kernel/process/privileges.ts";

/** What each is for. None of them suffices alone, and no other is needed. */
const NEEDED: Readonly<Partial<Record<Privilege, string>>> = {
  CAP_SYS_ADMIN: "to enter network namespaces",
  CAP_SYS_PTRACE: "to find them by their processes, and to reach those processes' sockets",
  CAP_DAC_READ_SEARCH: "to list the descriptors of other users' processes",
};

/**
 * Checks that a guard may see and reach the sockets of every network namespace: without the
 * privileges it would quietly miss containers.
 *
 * @throws HalfOpenError `ERR_PERMISSION` with the privileges that are missing, `ERR_NOT_SUPPORTED`
 * before Linux 5.4
 */
export function requireAllNamespaces(
  missing: readonly Privilege[] = missingPrivileges(Object.keys(NEEDED) as Privilege[]),
  kernel: string = release(),
): void {
  if (missing.length > 0) {
    const reasons = missing.map((name) => `${name} (${NEEDED[name]})`).join(", ");
    throw new HalfOpenError(
      "ERR_PERMISSION",
      `a guard of all network namespaces needs ${Object.keys(NEEDED).join(", ")}; missing here: ${reasons}`,
    );
  }

  // Until then each namespace counted its cookies from 1 (net/core/sock_diag.c, cd48bdda4fb8).
  const [major = 0, minor = 0] = kernel.split(".").map(Number.parseFloat);
  if (major < 5 || (major === 5 && minor < 4))
    throw new HalfOpenError(
      "ERR_NOT_SUPPORTED",
      `a guard of all network namespaces needs Linux 5.4, and this is ${kernel}: before, sockets of two namespaces may have one cookie; run a guard in each`,
    );
}
