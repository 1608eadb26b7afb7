import { BACKSTOP_BUDGETS } from "../core/backstop.ts";
import type { Diagnosis, OtherConnections } from "../core/diagnosis.ts";
import type { Instant } from "../core/instant.ts";
import { type ConnectionOptions, isSameOptions, LOOSEST_COUNT } from "../kernel/connection-options.ts";
import { errnoText } from "../kernel/errno-linux.ts";
import type { ConfirmedVerdict } from "./confirmed-verdict.ts";
import { diagnoseGuarded } from "./guard-diagnosis.ts";
import type { GuardAction, GuardEvent } from "./guard-event.ts";
import { GuardMemory } from "./guard-memory.ts";
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
/** In a hold the kernel probes so often at most, and no more often than this share of what is to be outlasted. */
const HOLD_PROBES_MS = 5000;
const HOLD_PROBES = 50;
/** The longest cap TCP_RTO_MAX_MS takes, and the kernel's default. */
const LOOSEST_RTO_MS = 120_000;

export interface GuardActionsOptions {
  readonly world: GuardWorld;
  /** `false`: look and tell, touch nothing. */
  readonly apply: boolean;
  /** A live peer may keep its window closed for so long before a user timeout may end it, ms. */
  readonly zeroWindowToleranceMs: number;
  /** How long a hold may last, ms. */
  readonly holdAtMostMs: number;
  /** What programs had set; default: known to this guard alone. */
  readonly memory?: GuardMemory;
  readonly log: (event: GuardEvent) => void;
}

/** The guard's hands: carries out what the engine decided, or says what it would have done, and logs it with the evidence. */
export class GuardActions {
  readonly #world: GuardWorld;
  readonly #apply: boolean;
  readonly #zeroWindowToleranceMs: number;
  readonly #holdAtMostMs: number;
  readonly #memory: GuardMemory;
  readonly #log: (event: GuardEvent) => void;

  constructor(options: GuardActionsOptions) {
    this.#world = options.world;
    this.#apply = options.apply;
    this.#zeroWindowToleranceMs = options.zeroWindowToleranceMs;
    this.#holdAtMostMs = options.holdAtMostMs;
    this.#memory = options.memory ?? new GuardMemory();
    this.#log = options.log;
  }

  /** Brings a newly met socket, or one whose program changed its settings, to what its rule asks for. */
  tune(connection: Guarded, silentForMs: number): void {
    const { rule, standing } = connection.by;
    let wanted: ConnectionOptions | null = null;
    const decide = (before: ConnectionOptions): ConnectionOptions | null => {
      const own = this.#memory.of(connection.key) ?? before;
      wanted = tighten(own, standing, silentForMs);
      return wanted && !isSameOptions(wanted, before) ? wanted : null;
    };
    const tuned = this.#world.tune(connection, decide, !this.#apply);
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
    if (tuned.before && tuned.after) this.#memory.note(connection.key, tuned.before);
    connection.settings = this.#wanted(connection, tuned, wanted);
    connection.isDeviating = tuned.after !== null && connection.settings !== null && !isSameOptions(tuned.after, connection.settings);
    if (tuned.after) this.#tell(connection, "set", reason, tuned, null);
  }

  /** Sends a probe. `false`: none left. */
  nudge(connection: Guarded): boolean {
    if (!this.#apply || connection.settings === null || connection.isHeld) return false;
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
    const { errno, after } = this.#world.tune(connection, () => settings, false);
    if (errno === 0) connection.isDeviating = after !== null && !isSameOptions(after, settings);
  }

  /**
   * The brake holds: nothing is ended, and the kernel must not do it either. It probes on, so that the peer is heard when it is back, yet so seldom
   * that the count outlasts twice the longest hold; and data in flight has the kernel's own patience again, or as long.
   */
  hold(connection: Guarded, verdict: ConfirmedVerdict, now: Instant, others: OtherConnections | null, peers: string): void {
    const isNews = !connection.said.has("hold");
    if (isNews && this.#apply && connection.settings !== null) {
      const isInFlight = verdict.liveness.flow === "in-flight";
      const patient = (before: ConnectionOptions): ConnectionOptions => ({
        keepalive: { ...before.keepalive, count: LOOSEST_COUNT, intervalMs: this.#holdIntervalMs },
        userTimeoutMs: isInFlight ? 2 * this.#holdAtMostMs : 0,
        rtoMaxMs: before.rtoMaxMs === null ? null : LOOSEST_RTO_MS,
      });
      this.#world.tune(connection, patient, false);
      connection.isDeviating = true;
      connection.isHeld = true;
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

  /**
   * The guard goes, or its rules change: the program gets back what it had. What a connection in doubt does not bear just now it gets as far as it
   * bears it, and the rest, where a guard goes on, when the peer was heard.
   */
  release(connection: Guarded): void {
    const own = this.#memory.of(connection.key);
    if (!this.#apply || own === null) return;
    const { errno, after } = this.#world.tune(connection, (before) => (isSameOptions(before, own) ? null : own), false);
    if (errno === 0 && (after === null || isSameOptions(after, own))) this.#memory.forget(connection.key);
  }

  /** What only a running guard may leave set is taken off; its settings stay. */
  leave(connection: Guarded): void {
    if (connection.isListener) return;
    connection.isHeld = false;
    this.guardInFlight(connection, false);
    this.restore(connection);
  }

  /** Sockets that are gone need no memory of what their programs had set. */
  remember(isThere: (key: number) => boolean): void {
    this.#memory.keepOnly(isThere);
    this.#memory.save();
  }

  get #holdIntervalMs(): number {
    return Math.max(HOLD_PROBES_MS, 1000 * Math.ceil((2 * this.#holdAtMostMs) / HOLD_PROBES / 1000));
  }

  /** What the guard wants to stand: its own keepalive and cap, and the user timeout that the program chose. */
  #wanted({ key }: Guarded, { before, after }: Settings, wanted: ConnectionOptions | null): ConnectionOptions | null {
    const own = this.#memory.of(key) ?? before;
    // The kernel rounds the cap, and holds what was asked of the rest, now or when the connection bears it.
    return after && wanted && own ? { ...wanted, rtoMaxMs: after.rtoMaxMs, userTimeoutMs: own.userTimeoutMs } : before;
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
