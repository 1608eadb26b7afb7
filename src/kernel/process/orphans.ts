import type { SystemPort } from "../port/port.ts";

/**
 * Makes this process, in place of process 1, the parent of its descendants whose own parents have
 * ended (prctl(2), PR_SET_CHILD_SUBREAPER, Linux >= 3.4). So no daemon leaves the tree. The caller
 * then has to bury them, see {@link buryOrphans}. Returns 0 or the errno.
 */
export function adoptOrphans(port: SystemPort): number {
  return Math.max(0, -port.prctl(PR_SET_CHILD_SUBREAPER, 1));
}

const PR_SET_CHILD_SUBREAPER = 36;
const [P_ALL, P_PID] = [0, 1];
const [WNOHANG, WEXITED, WNOWAIT] = [1, 4, 0x0100_0000];
/** siginfo_t and its si_pid, the same on x86_64 and arm64. */
const SIGINFO_BYTES = 128;
const SI_PID = 16;

/**
 * Fetches the exit status of every adopted child that has ended; until then the child stays a
 * zombie. Never fetches that of `program`, which Node started: Node waits for that status itself,
 * and would wait in vain. Stops at `program` once it has ended, and leaves the rest.
 */
export function buryOrphans(port: SystemPort, program: number): void {
  const info = Buffer.alloc(SIGINFO_BYTES);
  for (;;) {
    info.fill(0);
    if (port.waitid(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT) < 0) return;
    const pid = info.readInt32LE(SI_PID);
    if (pid === 0 || pid === program) return;
    if (port.waitid(P_PID, pid, info, WEXITED | WNOHANG) < 0) return;
  }
}
