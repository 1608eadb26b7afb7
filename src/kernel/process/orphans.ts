import type { SystemPort } from "../port/port.ts";

const PR_SET_CHILD_SUBREAPER = 36;
const [P_ALL, P_PID] = [0, 1];
const [WNOHANG, WEXITED, WNOWAIT] = [1, 4, 0x0100_0000];
/** siginfo_t and its si_pid, the same on x86_64 and arm64. */
const SIGINFO_BYTES = 128;
const SI_PID = 16;

/**
 * From now on a process whose parents have ended is given to this process instead of process 1, if
 * it descends from it (prctl(2), PR_SET_CHILD_SUBREAPER, Linux >= 3.4), so that no daemon leaves
 * the tree. They are to be buried, see {@link buryOrphans}. Returns 0 or the errno.
 */
export function adoptOrphans(port: SystemPort): number {
  return Math.max(0, -port.prctl(PR_SET_CHILD_SUBREAPER, 1));
}

/**
 * Asks every adopted child that has ended how it ended: until then it stays a zombie. Never the
 * `program` that Node has started: Node waits for that one itself, and what another had fetched it
 * would wait for in vain. When `program` has ended the rest waits, as it does for us.
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
