import type { Diagnosis, OtherConnections } from "../core/diagnosis.ts";
import { standInTimeoutMs } from "../core/judge/backstop.ts";
import type { Judgement } from "../core/judge/judgement.ts";
import type { Instant } from "../core/time/instant.ts";
import { NUDGE_IDLE_MS } from "../kernel/nudge.ts";
import type { AppliedKeepalive } from "../kernel/options/applied-keepalive.ts";
import {
  type ConnectionOptions,
  isSameOptions,
  patientWith,
} from "../kernel/options/connection-options.ts";
import { isSameKeepalive } from "../kernel/options/keepalive.ts";
import { errnoText } from "../kernel/port/errno-linux.ts";
import { diagnoseGuarded } from "./diagnosis.ts";
import type { GuardAction, GuardEvent } from "./event.ts";
import type { Guarded } from "./guarded.ts";
import { Hold, patientFor } from "./hold.ts";
import { GuardMemory } from "./memory.ts";
import { type Standing, tighten } from "./rule.ts";
import type { GuardWorld } from "./world.ts";

const EAGAIN = 11;
const ENOENT = 2;
const ESRCH = 3;
const EBADF = 9;
const ENOSYS = 38;
/**
 * A socket can be between two processes, or its process between two descriptors, when it is reached
 * for.
 */
const MOST_TRIES = 3;

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

/**
 * The guard's hands: carries out what the engine decided, or says what it would have done, and logs
 * it with the evidence.
 */
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

  /**
   * Brings a newly met socket, or one whose program changed its settings, to what its rule asks
   * for. `listener`: the one that accepted it, if any; what it inherited of ours is no program's
   * own.
   */
  tune(connection: Guarded, listener: Guarded | null = null): void {
    const { rule, standing } = connection.by;
    const { key } = connection;
    let own: ConnectionOptions | null = null;
    const decide = (before: ConnectionOptions): ConnectionOptions | null => {
      own = this.#ownOf(connection, before, listener);
      const wanted = tighten(own, standing) ?? own;
      return isSameOptions(wanted, before) ? null : wanted;
    };
    const tuned = this.#world.tune(connection, decide, !this.#apply);
    const reason = `${rule.name}: a dead peer must be found within ${rule.detectWithinMs} ms`;
    if (tuned.errno !== 0 || own === null || tuned.before === null) {
      const isPassing =
        (tuned.errno === ESRCH || tuned.errno === EBADF) && ++connection.tries < MOST_TRIES;
      if (!isPassing) this.#once(connection, "tune", "error", tuneRefused(tuned.errno), tuned);
      return;
    }
    if (!this.#apply) {
      if (tuned.after) this.#once(connection, "tune", "would-set", reason, tuned);
      return;
    }
    connection.left = tuned.after ?? tuned.before;
    connection.settings = tighten(own, standing) ?? own;
    connection.isDeviating = !isSameOptions(connection.left, connection.settings);
    if (this.#memory.of(key) !== null || !isSameOptions(own, connection.left))
      this.#memory.note(key, own);
    if (tuned.after) this.#tell(connection, "set", reason, tuned, null);
  }

  /**
   * Another rule, or the same one, covers the connection from now on. In a hold its settings wait
   * for the end of that.
   */
  retune(connection: Guarded): void {
    const own = this.#memory.of(connection.key);
    if (connection.hold === null || own === null) this.tune(connection);
    else connection.settings = tighten(own, connection.by.standing) ?? own;
  }

  /** Sends a probe. `false`: none left. */
  nudge(connection: Guarded): boolean {
    const { settings } = connection;
    if (!this.#apply || settings === null || isTighter(settings, connection.by.standing))
      return false;
    const errno = this.#world.nudge(connection);
    if (errno !== 0) return false;
    connection.isDeviating ||= connection.by.standing.idleMs !== NUDGE_IDLE_MS;
    return true;
  }

  /**
   * Where the kernel has no RTO cap a user timeout stands in for this process while data is in
   * flight: never below the tolerance for a closed window, and only behind an open one, since at a
   * closed one it would end a live peer (docs/internals/kernel.md#user-timeout).
   */
  guardInFlight(connection: Guarded, isInFlight: boolean): void {
    const { settings } = connection;
    if (
      !this.#apply ||
      settings === null ||
      settings.rtoMaxMs !== null ||
      settings.userTimeoutMs !== 0
    )
      return;
    if (isInFlight === connection.hasUserTimeout || connection.hold !== null) return;
    const userTimeoutMs = standInTimeoutMs(
      connection.by.standing.budgetMs,
      this.#zeroWindowToleranceMs,
    );
    if (
      this.#bring(connection, (before) => ({
        ...before,
        userTimeoutMs: isInFlight ? userTimeoutMs : 0,
      }))
    )
      connection.hasUserTimeout = isInFlight;
  }

  /**
   * A survey found nothing amiss. As long as it is to be learned how the peer answers, the kernel
   * probes early; then as the rule says.
   */
  settle(connection: Guarded): void {
    if (!connection.isLearning) this.restore(connection);
    else if (!connection.isDeviating) this.nudge(connection);
  }

  /**
   * The budget is over, and silence proves nothing: nothing is ended, and the kernel must not do it
   * for want of answers to our probes.
   */
  spare(connection: Guarded, judgement: Judgement, now: Instant): void {
    const own = this.#memory.of(connection.key);
    // What the program's own keepalive probes is not asked beside it
    const topic = own?.keepalive.enabled === false ? "unproven" : "hold";
    if (connection.said.has(topic)) return;
    if (this.#apply && own) {
      this.#bring(connection, (before) => patientWith(own, before, judgement.flow));
      connection.isDeviating = true;
    }
    const reason = `${connection.by.rule.name} ends nobody whose peer was never seen to answer keepalive probes so often`;
    this.#once(
      connection,
      topic,
      "hold",
      reason,
      null,
      this.#diagnose(connection, judgement, now, null),
    );
  }

  /**
   * Puts back what a nudge or a hold had changed for a while, and what the connection could not
   * bear before.
   */
  restore(connection: Guarded): void {
    const { settings } = connection;
    if (!connection.isDeviating || settings === null || !this.#bring(connection, () => settings))
      return;
    connection.isDeviating = connection.left !== null && !isSameOptions(connection.left, settings);
    connection.hasUserTimeout &&= connection.isDeviating;
  }

  /** The brake holds: nothing is ended, and the kernel must not do it either. */
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
      this.#bring(connection, (before) =>
        patientFor(this.#holdAtMostMs, before, isInFlight, retries2),
      );
      connection.isDeviating = true;
      connection.hasUserTimeout = false;
    }
    connection.hold ??= new Hold(now);
    if (connection.said.has("hold")) return;
    const reason = `${peers}: more probably it is this host or its network, so nothing is ended`;
    this.#once(
      connection,
      "hold",
      "hold",
      reason,
      null,
      this.#diagnose(connection, judgement, now, others),
    );
  }

  /** Asks a held connection whether its peer is back. */
  askHeld(connection: Guarded): void {
    if (this.#apply && connection.settings !== null) this.#world.nudge(connection);
  }

  /** The brake holds no more. */
  resume(connection: Guarded): void {
    connection.hold = null;
    connection.wasHeld = true;
    connection.said.delete("hold");
    this.restore(connection);
  }

  /**
   * Ends a dead connection. Returns 0, ENOENT when it is gone already, or another errno when it
   * lives on.
   */
  end(
    connection: Guarded,
    judgement: Judgement,
    now: Instant,
    others: OtherConnections | null,
  ): number {
    const { rule } = connection.by;
    const diagnosis = (): Diagnosis => this.#diagnose(connection, judgement, now, others);
    if (!connection.isEndable || !rule.endsDead) {
      const reason = rule.endsDead
        ? `a connection in ${connection.state} is never ended`
        : `${rule.name} says to end nothing`;
      if (!connection.said.has("hold"))
        this.#once(connection, "hold", "hold", reason, null, diagnosis());
      return EAGAIN;
    }
    const reason = `${rule.name}: no sign of life for ${Math.round(now - judgement.heardAt)} ms, two verdicts agree`;
    if (!this.#apply) {
      if (!connection.said.has("would-destroy"))
        this.#once(connection, "would-destroy", "would-destroy", reason, null, diagnosis());
      return EAGAIN;
    }
    const evidence = diagnosis();
    const errno = this.#world.end(connection);
    if (errno === 0) this.#tell(connection, "destroy", reason, null, evidence);
    else if (errno !== ENOENT)
      this.#once(
        connection,
        "end",
        "error",
        `could not be ended: ${errnoText(errno)}`,
        null,
        evidence,
      );
    return errno;
  }

  /**
   * The guard goes, or no rule covers the connection any more: the program gets back what it had.
   * `false`: what the connection bears just now, and there is more, for a time when its peer was
   * heard.
   */
  release(connection: Guarded): boolean {
    const own = this.#memory.of(connection.key);
    if (!this.#apply || own === null) return true;
    if (
      !this.#bring(connection, () => own) ||
      connection.left === null ||
      !isSameOptions(connection.left, own)
    )
      return false;
    this.#memory.forget(connection.key);
    return true;
  }

  /** What only a running guard may leave set is taken off; its settings stay. */
  leave(connection: Guarded): void {
    if (connection.isListener) return;
    connection.hold = null;
    this.guardInFlight(connection, false);
    this.restore(connection);
  }

  /** Sockets that are gone need no memory of what their programs had set. */
  remember(isThere: (key: number) => boolean): void {
    this.#memory.keepOnly(isThere);
    this.#memory.save();
  }

  /** What the program had set, or has set since the guard last did. */
  #ownOf(
    connection: Guarded,
    before: ConnectionOptions,
    listener: Guarded | null,
  ): ConnectionOptions {
    const known = this.#memory.of(connection.key);
    if (known === null) {
      const isInherited =
        listener !== null && listener.left !== null && isSameOptions(before, listener.left);
      return (isInherited && this.#memory.of(listener.key)) || before;
    }
    const { left } = connection;
    if (left === null || isAsLeft(before.keepalive, left.keepalive)) return known;
    return { ...known, keepalive: before.keepalive };
  }

  /** `false`: it could not be reached. */
  #bring(connection: Guarded, decide: (before: ConnectionOptions) => ConnectionOptions): boolean {
    const note = (before: ConnectionOptions): ConnectionOptions => {
      if (this.#memory.of(connection.key) === null) this.#memory.note(connection.key, before);
      return decide(before);
    };
    const { errno, after } = this.#world.tune(connection, note, false);
    if (errno !== 0) return false;
    connection.left = after;
    return true;
  }

  /** Settings that were not reached for want of the owner are worth another try. */
  shouldRetry(connection: Guarded): boolean {
    return connection.settings === null && connection.tries > 0 && connection.tries < MOST_TRIES;
  }

  #diagnose(
    connection: Guarded,
    judgement: Judgement,
    now: Instant,
    others: OtherConnections | null,
  ): Diagnosis {
    return diagnoseGuarded(connection, judgement, now, this.#world.examinePath(connection), others);
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

  #tell(
    connection: Guarded,
    action: GuardAction,
    reason: string,
    tuned: Settings | null,
    diagnosis: Diagnosis | null,
  ): void {
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

/** As the guard left it, but for the idle time where it was asked since. */
function isAsLeft(now: AppliedKeepalive, left: AppliedKeepalive): boolean {
  return (
    isSameKeepalive(now, left) ||
    (now.idleMs === NUDGE_IDLE_MS && isSameKeepalive(now, { ...left, idleMs: NUDGE_IDLE_MS }))
  );
}

/**
 * The program's own settings let the kernel give up before more probes than its own could be asked
 * for.
 */
function isTighter(
  { keepalive, userTimeoutMs }: ConnectionOptions,
  { idleMs, intervalMs, count }: Standing,
): boolean {
  return (
    keepalive.count < count || (userTimeoutMs > 0 && userTimeoutMs < idleMs + intervalMs * count)
  );
}

function tuneRefused(errno: number): string {
  const others = "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH are needed for other users' processes";
  if (errno === ESRCH)
    return `its settings could not be reached: no process that holds it can be seen; ${others}`;
  const hint =
    errno === ENOSYS ? "this kernel, or a sandbox around halfopen, has no pidfd_getfd" : others;
  return `its settings could not be reached: ${errnoText(errno)}; ${hint}`;
}
