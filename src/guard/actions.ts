import type { OtherConnections } from "../core/diagnosis.ts";
import { standInTimeoutMs } from "../core/judge/backstop.ts";
import type { Judgement } from "../core/judge/judgement.ts";
import type { Instant } from "../core/time/instant.ts";
import { NUDGE_IDLE_MS } from "../kernel/nudge.ts";
import { patientWith } from "../kernel/options/connection-options.ts";
import { EAGAIN, EBADF, ENOENT, ESRCH } from "../kernel/port/errno-linux.ts";
import { notEnded } from "./ending.ts";
import type { GuardEvent } from "./event.ts";
import { GuardLog } from "./guard-log.ts";
import type { Guarded } from "./guarded.ts";
import { GuardedSettings, unreachableText } from "./guarded-settings.ts";
import { Hold, patientFor } from "./hold.ts";
import { GuardMemory } from "./memory.ts";
import { isTighter } from "./rule.ts";
import type { GuardWorld } from "./world.ts";

/**
 * Carries out what the engine decided, or with `apply` off says what the guard would have done, and
 * writes it to the log with the evidence.
 */
export class GuardActions {
  readonly #world: GuardWorld;
  readonly #settings: GuardedSettings;
  readonly #log: GuardLog;
  readonly #apply: boolean;
  readonly #zeroWindowToleranceMs: number;
  readonly #holdAtMostMs: number;

  constructor(options: GuardActionsOptions) {
    this.#world = options.world;
    this.#settings = new GuardedSettings(options.world, options.memory ?? new GuardMemory());
    this.#log = new GuardLog(options.world, options.log);
    this.#apply = options.apply;
    this.#zeroWindowToleranceMs = options.zeroWindowToleranceMs;
    this.#holdAtMostMs = options.holdAtMostMs;
  }

  /**
   * Brings a newly met socket, or one whose program changed its settings, to the settings of its
   * rule. `listener`: the socket that accepted this one, if any.
   */
  tune(connection: Guarded, listener: Guarded | null = null): void {
    const { rule } = connection.by;
    const tuned = this.#settings.tighten(connection, listener, !this.#apply);
    if (tuned.errno !== 0) {
      const mayPass = tuned.errno === ESRCH || tuned.errno === EBADF;
      if (mayPass && ++connection.tries < MOST_TRIES) return;
      this.#log.once(connection, "tune", { action: "error", reason: unreachableText(tuned.errno) });
      return;
    }

    if (tuned.after === null) return;
    const reason = `${rule.name}: a dead peer must be found within ${rule.detectWithinMs} ms`;
    if (this.#apply) this.#log.write(connection, { action: "set", reason, tuned });
    else this.#log.once(connection, "tune", { action: "would-set", reason, tuned });
  }

  /** Returns whether another try may reach the owner, whom the earlier tries did not find. */
  shouldRetry(connection: Guarded): boolean {
    return connection.settings === null && connection.tries > 0 && connection.tries < MOST_TRIES;
  }

  /**
   * Takes on the rule that covers the connection from now on, possibly the same one. In a hold the
   * new settings wait for its end.
   */
  retune(connection: Guarded): void {
    if (connection.hold === null || !this.#settings.retarget(connection)) this.tune(connection);
  }

  /**
   * Sends a keepalive probe. `false`: none was sent, also where the program's own settings leave no
   * probe to spare.
   */
  nudge(connection: Guarded): boolean {
    const { settings } = connection;
    const { standing } = connection.by;
    if (!this.#apply || settings === null || isTighter(settings, standing)) return false;
    if (this.#world.nudge(connection) !== 0) return false;

    connection.isDeviating ||= standing.idleMs !== NUDGE_IDLE_MS;
    return true;
  }

  /**
   * Sets a user timeout in place of the RTO cap, where the kernel has none, while data is in
   * flight. Never below the tolerance for a closed window, and only behind an open window: behind a
   * closed one it would end a live peer (docs/internals/kernel.md#user-timeout).
   */
  guardInFlight(connection: Guarded, isInFlight: boolean): void {
    const { settings } = connection;
    if (!this.#apply || settings === null) return;
    if (settings.rtoMaxMs !== null || settings.userTimeoutMs !== 0) return;
    if (isInFlight === connection.hasUserTimeout || connection.hold !== null) return;

    const { budgetMs } = connection.by.standing;
    const userTimeoutMs = isInFlight ? standInTimeoutMs(budgetMs, this.#zeroWindowToleranceMs) : 0;
    if (this.#settings.change(connection, (before) => ({ ...before, userTimeoutMs })))
      connection.hasUserTimeout = isInFlight;
  }

  /**
   * Follows a survey that found the connection in order. The kernel probes early until enough is
   * known of how the peer answers, and then as the rule says.
   */
  settle(connection: Guarded): void {
    if (!connection.isLearning) this.restore(connection);
    else if (!connection.isDeviating) this.nudge(connection);
  }

  /** Puts back the rule's settings after a nudge or a hold. */
  restore(connection: Guarded): void {
    this.#settings.restore(connection);
  }

  /**
   * Ends nothing although the budget is over, because the silence proves nothing. Keeps the kernel
   * from ending the connection because the guard's probes went unanswered.
   */
  spare(connection: Guarded, judgement: Judgement, now: Instant): void {
    const own = this.#settings.ownOf(connection);
    // No nudges beside the probes of the program's own keepalive: after "hold" none is sent.
    const topic = own?.keepalive.enabled === false ? "unproven" : "hold";
    if (connection.said.has(topic)) return;

    if (this.#apply && own) {
      const { flow } = judgement;
      this.#settings.change(connection, (before) => patientWith(own, before, flow));
      connection.isDeviating = true;
    }
    const reason = `${connection.by.rule.name} ends no connection whose peer was never seen to answer keepalive probes this often`;
    const diagnose = this.#log.diagnosing(connection, judgement, now, null);
    this.#log.once(connection, topic, { action: "hold", reason, diagnose });
  }

  /**
   * Holds a connection back from its end, while the brake holds, and makes its kernel patient.
   * `peers`: how many peers are silent, in words.
   */
  hold(
    connection: Guarded,
    judgement: Judgement,
    now: Instant,
    others: OtherConnections | null,
    peers: string,
  ): void {
    if (connection.hold === null && this.#apply && connection.settings !== null) {
      const isInFlight = judgement.flow === "in-flight";
      const retries2 = this.#world.retries2(connection.namespaceIndex);
      this.#settings.change(connection, (before) =>
        patientFor(this.#holdAtMostMs, before, isInFlight, retries2),
      );
      connection.isDeviating = true;
      connection.hasUserTimeout = false;
    }

    connection.hold ??= new Hold(now);
    const reason = `${peers}: more probably it is this host or its network, so nothing is ended`;
    const diagnose = this.#log.diagnosing(connection, judgement, now, others);
    this.#log.once(connection, "hold", { action: "hold", reason, diagnose });
  }

  /** Sends a probe on a held connection, to see whether its peer is back. */
  askHeld(connection: Guarded): void {
    if (this.#apply && connection.settings !== null) this.#world.nudge(connection);
  }

  /** Takes a connection out of its hold. */
  resume(connection: Guarded): void {
    connection.hold = null;
    connection.wasHeld = true;
    connection.said.delete("hold");
    this.restore(connection);
  }

  /**
   * Ends a dead connection. Returns 0, ENOENT when the connection is gone already, or another errno
   * when it lives on.
   */
  end(
    connection: Guarded,
    judgement: Judgement,
    now: Instant,
    others: OtherConnections | null,
  ): number {
    const { rule } = connection.by;
    const diagnose = this.#log.diagnosing(connection, judgement, now, others);
    if (!connection.isEndable || !rule.endsDead) {
      const reason = rule.endsDead
        ? `a connection in ${connection.state} is never ended`
        : `${rule.name} says to end nothing`;
      this.#log.once(connection, "hold", { action: "hold", reason, diagnose });
      return EAGAIN;
    }

    const reason = `${rule.name}: no sign of life for ${Math.round(now - judgement.heardAt)} ms, two verdicts agree`;
    if (!this.#apply) {
      this.#log.once(connection, "would-destroy", { action: "would-destroy", reason, diagnose });
      return EAGAIN;
    }

    const evidence = diagnose(); // before the end: afterwards the evidence is gone
    const errno = this.#world.end(connection);
    const entry = { reason, diagnose: () => evidence };
    if (errno === 0) this.#log.write(connection, { ...entry, action: "destroy" });
    else if (errno !== ENOENT)
      this.#log.once(connection, "end", { ...entry, ...notEnded(errno, reason) });
    return errno;
  }

  /**
   * Gives the program its own settings back: the guard stops, or no rule covers the connection any
   * more. `false`: some of them must wait until the peer is heard.
   */
  release(connection: Guarded): boolean {
    return !this.#apply || this.#settings.release(connection);
  }

  /** Removes what may stand only while a guard runs. The rule's settings stay. */
  leave(connection: Guarded): void {
    if (connection.isListener) return;

    connection.hold = null;
    this.guardInFlight(connection, false);
    this.restore(connection);
  }

  /** Forgets the programs' settings of sockets that are gone, and saves the others. */
  remember(isThere: (key: number) => boolean): void {
    this.#settings.keepOnly(isThere);
  }
}

export interface GuardActionsOptions {
  readonly world: GuardWorld;
  /** `false`: reads and reports, changes nothing. */
  readonly apply: boolean;
  /** The time that a live peer may keep its window closed before a user timeout may end it, ms. */
  readonly zeroWindowToleranceMs: number;
  /** The longest time that a hold may last, ms. */
  readonly holdAtMostMs: number;
  /** The settings of programs; default: remembered by this guard alone. */
  readonly memory?: GuardMemory;
  readonly log: (event: GuardEvent) => void;
}

/** A socket can move to another process or descriptor just when the guard reaches for it. */
const MOST_TRIES = 3;
