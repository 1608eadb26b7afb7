import type { Instant } from "../core/instant.ts";
import { Liveness } from "../core/liveness.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import { resetOnClose } from "../kernel/linger.ts";
import { sampleTcpInfo } from "../kernel/tcp-info.ts";
import type { Applied } from "./applied.ts";
import type { WatchSettings } from "./options.ts";
import { Standing } from "./standing.ts";

/** Reads the kernel's evidence of one connection, has it judged, and does what the judgement asks for. */
export class KernelCheck {
  readonly fd: number;
  readonly liveness: Liveness;
  /** The last reading. */
  info: TcpInfo | null = null;
  readonly #standing: Standing;

  constructor(fd: number, { detectWithinMs, zeroWindowToleranceMs }: WatchSettings, now: Instant) {
    this.fd = fd;
    this.#standing = new Standing(fd, detectWithinMs, zeroWindowToleranceMs);
    this.liveness = new Liveness({ budgetMs: detectWithinMs, rtoMaxMs: this.#standing.rtoMaxMs }, now);
    this.#standing.start(this.liveness.idleMs);
  }

  get hasRtoCap(): boolean {
    return this.#standing.rtoMaxMs !== null;
  }

  get applied(): Applied {
    return this.#standing.describe();
  }

  /** Returns the instant at which to look again, `null` when the kernel has ended the connection. */
  check(now: Instant): Instant | null {
    const info = sampleTcpInfo(this.fd);
    if (typeof info === "number") return Number.POSITIVE_INFINITY; // no TCP socket any more: 'close' follows
    this.info = info;
    if (info.state === "CLOSE") return null;
    const { liveness } = this;
    const next = liveness.observe(now, info);
    this.#standing.guardInFlight(liveness.flow === "in-flight");
    if (liveness.attempts.count === 0 && (liveness.isProbeMissing || !liveness.wantsNudge))
      this.#standing.keepIdle(liveness.idleMs, liveness.isProbeMissing);
    if (!liveness.wantsNudge) return next;
    this.#standing.nudge();
    return liveness.nudged(now);
  }

  /** The reading of a connection that the kernel has ended; `null` of one that it has not: after a FIN it would be in CLOSE_WAIT. */
  closedState(): TcpInfo | null {
    const info = sampleTcpInfo(this.fd);
    return typeof info !== "number" && info.state === "CLOSE" ? info : null;
  }

  /** From now on closing sends an RST: the verdict stays true, and no orphan retransmits for minutes. */
  resetOnClose(): void {
    resetOnClose(this.fd);
  }

  restore(): void {
    this.#standing.restore();
  }
}
