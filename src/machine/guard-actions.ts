import { BACKSTOP_BUDGETS } from "../core/backstop.ts";
import type { Diagnosis, OtherConnections } from "../core/diagnosis.ts";
import type { Instant } from "../core/instant.ts";
import { errnoText } from "../kernel/errno-linux.ts";
import type { ConfirmedVerdict } from "./confirmed-verdict.ts";
import type { ConnectionOptions } from "./exact-options.ts";
import { diagnoseGuarded } from "./guard-diagnosis.ts";
import type { GuardAction, GuardEvent } from "./guard-event.ts";
import { tighten } from "./guard-rule.ts";
import type { GuardWorld } from "./guard-world.ts";
import type { Guarded } from "./guarded.ts";

const EAGAIN = 11;
const ENOENT = 2;
const ESRCH = 3;
const EBADF = 9;
const ENOSYS = 38;
/** A socket can be between two processes, or its process between two descriptors, when it is reached for. */
const MOST_TRIES = 3;
/** The kernel counts probes to 127. */
const LOOSEST_COUNT = 127;
/** The longest cap TCP_RTO_MAX_MS takes, and the kernel's default. */
const LOOSEST_RTO_MS = 120_000;

export interface GuardActionsOptions {
  readonly world: GuardWorld;
  /** `false`: look and tell, touch nothing. */
  readonly apply: boolean;
  /** A live peer may keep its window closed for so long before a user timeout may end it, ms. */
  readonly zeroWindowToleranceMs: number;
  readonly log: (event: GuardEvent) => void;
}

/** The guard's hands: carries out what the engine decided, or says what it would have done, and logs it with the evidence. */
export class GuardActions {
  readonly #world: GuardWorld;
  readonly #apply: boolean;
  readonly #zeroWindowToleranceMs: number;
  readonly #log: (event: GuardEvent) => void;

  constructor(options: GuardActionsOptions) {
    this.#world = options.world;
    this.#apply = options.apply;
    this.#zeroWindowToleranceMs = options.zeroWindowToleranceMs;
    this.#log = options.log;
  }

  /** Brings a newly met socket, or one whose program changed its settings, to what its rule asks for. */
  tune(connection: Guarded, silentForMs: number): void {
    const { rule, standing } = connection.by;
    const tuned = this.#world.tune(connection, (before) => tighten(before, standing, silentForMs), !this.#apply);
    const reason = `${rule.name}: a dead peer must be found within ${rule.detectWithinMs} ms`;
    if (tuned.errno !== 0) {
      const isPassing = (tuned.errno === ESRCH || tuned.errno === EBADF) && ++connection.tries < MOST_TRIES;
      if (!isPassing) this.#once(connection, "tune", "error", tuneRefused(tuned.errno), tuned);
      return;
    }
    if (!this.#apply) {
      if (tuned.after) this.#once(connection, "tune", "would-set", reason, tuned);
      return;
    }
    connection.settings = withOwnUserTimeout(tuned.before, tuned.after);
    connection.isDeviating = tuned.after !== null && tuned.before?.userTimeoutMs !== tuned.after.userTimeoutMs;
    if (tuned.after) this.#tell(connection, "set", reason, tuned, null);
  }

  /** Sends a probe. `false`: none left. */
  nudge(connection: Guarded): boolean {
    if (!this.#apply || connection.settings === null) return false;
    const errno = this.#world.nudge(connection);
    if (errno !== 0) return false;
    connection.isDeviating ||= connection.by.standing.idleMs !== 1000;
    return true;
  }

  /**
   * Where the kernel has no RTO cap a user timeout stands in for this process while data is in flight: never below the tolerance
   * for a closed window, and only behind an open one, since at a closed one it would end a live peer (kernel.md).
   */
  guardInFlight(connection: Guarded, isInFlight: boolean): void {
    const { settings } = connection;
    if (!this.#apply || settings === null || settings.rtoMaxMs !== null || settings.userTimeoutMs !== 0) return;
    if (isInFlight === connection.hasUserTimeout) return;
    const userTimeoutMs = Math.max(this.#zeroWindowToleranceMs, BACKSTOP_BUDGETS * connection.by.standing.budgetMs);
    const tuned = this.#world.tune(connection, (before) => ({ ...before, userTimeoutMs: isInFlight ? userTimeoutMs : 0 }), false);
    if (tuned.errno === 0) connection.hasUserTimeout = isInFlight;
  }

  /** Puts back what a nudge, a hold or a long silence had changed for a while. */
  restore(connection: Guarded): void {
    const { settings } = connection;
    if (!connection.isDeviating || settings === null) return;
    const tuned = this.#world.tune(connection, () => settings, false);
    if (tuned.errno === 0) connection.isDeviating = false;
  }

  /** The brake holds: nothing is ended, and the kernel's own backstop must not do it either. */
  hold(connection: Guarded, verdict: ConfirmedVerdict, now: Instant, others: OtherConnections | null, peers: string): void {
    const isNews = !connection.said.has("hold");
    if (isNews && this.#apply && connection.settings !== null) {
      const patient = (before: ConnectionOptions): ConnectionOptions => ({
        keepalive: { ...before.keepalive, count: LOOSEST_COUNT },
        userTimeoutMs: 0,
        rtoMaxMs: before.rtoMaxMs === null ? null : LOOSEST_RTO_MS,
      });
      connection.isDeviating = this.#world.tune(connection, patient, false).errno === 0;
    }
    const reason = `${peers}: more probably it is this host or its network, so nothing is ended`;
    if (isNews) this.#once(connection, "hold", "hold", reason, null, this.#diagnose(connection, verdict, now, others));
  }

  /** Ends a dead connection. Returns 0, ENOENT when it is gone already, or another errno when it lives on. */
  end(connection: Guarded, verdict: ConfirmedVerdict, now: Instant, others: OtherConnections | null): number {
    const { rule } = connection.by;
    const diagnosis = (): Diagnosis => this.#diagnose(connection, verdict, now, others);
    if (!connection.isEndable || !rule.endsDead) {
      const reason = rule.endsDead ? `a connection in ${connection.state} is never ended` : `${rule.name} says to end nothing`;
      if (!connection.said.has("hold")) this.#once(connection, "hold", "hold", reason, null, diagnosis());
      return EAGAIN;
    }
    const reason = `${rule.name}: no sign of life for ${Math.round(now - verdict.liveness.heardAt)} ms, two verdicts agree`;
    if (!this.#apply) {
      if (!connection.said.has("would-destroy")) this.#once(connection, "would-destroy", "would-destroy", reason, null, diagnosis());
      return EAGAIN;
    }
    const evidence = diagnosis();
    const errno = this.#world.end(connection);
    if (errno === 0) this.#tell(connection, "destroy", reason, null, evidence);
    else if (errno !== ENOENT) this.#once(connection, "end", "error", `could not be ended: ${errnoText(errno)}`, null, evidence);
    return errno;
  }

  /** The guard goes: what only a running guard may leave set is taken off. */
  release(connection: Guarded): void {
    if (connection.isListener) return;
    this.guardInFlight(connection, false);
    this.restore(connection);
  }

  /** Settings that were not reached for want of the owner are worth another try. */
  shouldRetry(connection: Guarded): boolean {
    return connection.settings === null && connection.tries > 0 && connection.tries < MOST_TRIES;
  }

  #diagnose(connection: Guarded, verdict: ConfirmedVerdict, now: Instant, others: OtherConnections | null): Diagnosis {
    return diagnoseGuarded(connection, verdict, now, this.#world.examinePath(connection), others);
  }

  #once(
    connection: Guarded,
    topic: string,
    action: GuardAction,
    reason: string,
    tuned: Settings | null,
    diagnosis: Diagnosis | null = null,
  ): void {
    if (connection.said.has(topic)) return;
    connection.said.add(topic);
    this.#tell(connection, action, reason, tuned, diagnosis);
  }

  #tell(connection: Guarded, action: GuardAction, reason: string, tuned: Settings | null, diagnosis: Diagnosis | null): void {
    this.#log({
      time: new Date().toISOString(),
      action,
      rule: connection.by.rule.name,
      connection: connection.name,
      before: tuned?.before ?? null,
      after: tuned?.after ?? null,
      diagnosis,
      reason,
    });
  }
}

interface Settings {
  readonly before: ConnectionOptions | null;
  readonly after: ConnectionOptions | null;
}

function tuneRefused(errno: number): string {
  const others = "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH are needed for other users' processes";
  if (errno === ESRCH) return `its settings could not be reached: no process that holds it can be seen; ${others}`;
  const hint = errno === ENOSYS ? "this kernel, or a sandbox around halfopen, has no pidfd_getfd" : others;
  return `its settings could not be reached: ${errnoText(errno)}; ${hint}`;
}

/** What the guard wants to stand: its own keepalive and cap, and the user timeout that the program chose. */
function withOwnUserTimeout(before: ConnectionOptions | null, after: ConnectionOptions | null): ConnectionOptions | null {
  if (!before) return null;
  return after ? { ...after, userTimeoutMs: before.userTimeoutMs } : before;
}
