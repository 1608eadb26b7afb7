import type { OtherConnections } from "../core/diagnosis.ts";
import { type ConfirmedJudgement, ConfirmedVerdict } from "../core/judge/confirmed-verdict.ts";
import type { Judgement } from "../core/judge/judgement.ts";
import { heardInGroup, othersOf } from "../core/judge/peer-groups.ts";
import type { Instant } from "../core/time/instant.ts";
import { TimerWheel } from "../core/time/timer-wheel.ts";
import type { GuardActions } from "./actions.ts";
import type { Guarded } from "./guarded.ts";
import type { GuardedNamespaces } from "./guarded-namespaces.ts";
import type { GuardWorld } from "./world.ts";

interface DoubtsOptions {
  readonly world: GuardWorld;
  readonly actions: GuardActions;
  readonly namespaces: GuardedNamespaces;
  /** What happened: the connection is gone. */
  readonly forget: (connection: Guarded) => void;
}

/**
 * The connections in doubt: something was amiss in a survey, so each has a judge of its own and is
 * looked at as closely as its budget asks, until the doubt is cleared or the connection ends.
 *
 * | a reading says               | then                                                    |
 * |------------------------------|---------------------------------------------------------|
 * | all is answered              | the doubt is closed                                     |
 * | dead, two verdicts agree     | the connection is ended, unless the brake holds         |
 * | overdue, and nothing proven  | the kernel is made patient; nothing is ended            |
 * | the brake holds              | held until it lets go; then judged anew from the start  |
 */
export class Doubts {
  readonly #options: DoubtsOptions;
  readonly #wheel: TimerWheel<Guarded>;
  #count = 0;

  constructor(options: DoubtsOptions, now: Instant) {
    this.#options = options;
    this.#wheel = new TimerWheel(TICK_MS, now);
  }

  /** How many connections are in doubt. */
  get count(): number {
    return this.#count;
  }

  /** Opens a doubt about the connection, or judges it anew. */
  open(connection: Guarded, takenAt: Instant): void {
    if (!connection.verdict) this.#count++;
    connection.verdict = this.#newVerdict(connection, connection.heardAt);
    connection.doubtedAt = takenAt;
    this.#wheel.schedule(connection, takenAt);
  }

  /** What happened: the connection has another budget. */
  retune(connection: Guarded): void {
    if (connection.verdict) connection.verdict = this.#newVerdict(connection, connection.heardAt);
  }

  /** Nothing is held against the connection any more. */
  close(connection: Guarded): void {
    this.drop(connection);
    for (const topic of ["hold", "unproven"]) connection.said.delete(topic);
    connection.hold = null;
    connection.wasHeld = false;
    connection.markSilent(false);
  }

  /** The connection is gone, and with it the doubt. */
  drop(connection: Guarded): void {
    this.#wheel.cancel(connection);
    if (connection.verdict) this.#count--;
    connection.verdict = null;
  }

  /** Does what is due, and returns the instant of the next deadline. */
  advance(now: Instant): Instant {
    this.#wheel.advance(now, (connection) => this.#check(connection));
    return this.#wheel.nextDue();
  }

  #check(connection: Guarded): void {
    const { world, actions, forget } = this.#options;
    const { verdict } = connection;
    if (!verdict) return;
    const look = world.look(connection);
    if (!look) {
      forget(connection);
      return;
    }
    const { at: now, info } = look;

    connection.learn(info, now);
    const judgement = verdict.observe(now, info);
    actions.guardInFlight(connection, judgement.flow === "in-flight");
    connection.markSilent(judgement.state !== "alive" || connection.wasHeld);
    if (judgement.isCleared) {
      this.#clear(connection);
      return;
    }

    const next = connection.hold
      ? this.#holdOn(connection, judgement, now)
      : this.#act(connection, verdict, judgement, now);
    if (connection.verdict) this.#wheel.schedule(connection, Math.max(next, now + TICK_MS));
  }

  #clear(connection: Guarded): void {
    const { group } = connection.by;
    if (group) heardInGroup(group, connection.heardAt);
    this.close(connection);
    this.#options.actions.guardInFlight(connection, false);
    if (connection.isDeviating) this.#options.actions.restore(connection);
  }

  /** Returns when to look again at a held connection. */
  #holdOn(connection: Guarded, { info }: Judgement, now: Instant): Instant {
    const isHeld = this.#options.namespaces.whyHeld(connection.by.namespace, now) !== null;
    const next = isHeld ? now + HOLD_LOOK_MS : this.#renew(connection, now);
    if (connection.hold?.asks(now, info)) this.#options.actions.askHeld(connection);
    return next;
  }

  /** Does what the judgement asks for. Returns when to look again. */
  #act(
    connection: Guarded,
    verdict: ConfirmedVerdict,
    judgement: ConfirmedJudgement,
    now: Instant,
  ): Instant {
    const { actions } = this.#options;
    if (judgement.wants.keepalive === "again") actions.tune(connection);
    if (judgement.isUnproven && judgement.isOverdue && !this.#isHeld(connection, judgement, now))
      actions.spare(connection, judgement, now);
    if (judgement.isConfirmed) return this.#end(connection, judgement, now);

    // A connection that is not ended whatever is found need not be probed on.
    const isSpared = connection.said.has("hold") || connection.said.has("end");
    const isProbed = judgement.wants.nudge && !isSpared && actions.nudge(connection);
    return isProbed ? verdict.nudged(now) : judgement.lookAt;
  }

  /** Ends a dead connection. Returns when to look again, should it live on. */
  #end(connection: Guarded, judgement: Judgement, now: Instant): Instant {
    const { actions, namespaces, forget } = this.#options;
    if (connection.isUnmatched || this.#isHeld(connection, judgement, now))
      return now + HOLD_LOOK_MS;
    if (namespaces.isTainted(connection.by.namespace, connection.doubtedAt))
      return this.#renew(connection, now);

    const errno = actions.end(connection, judgement, now, othersBeside(connection, judgement));
    if (errno === 0 || errno === ENOENT) forget(connection);
    return now + HOLD_LOOK_MS;
  }

  /** While most peers are silent at once the connection is held, and its kernel made patient. */
  #isHeld(connection: Guarded, judgement: Judgement, now: Instant): boolean {
    const { actions, namespaces } = this.#options;
    const reason = namespaces.whyHeld(connection.by.namespace, now);
    if (reason === null) return false;
    actions.hold(connection, judgement, now, othersBeside(connection, judgement), reason);
    return true;
  }

  /**
   * Judges a connection anew when the brake lets go. What is known of it then is old: held ones are
   * probed seldom, and in flight the kernel sends again the later the longer it waited, so those
   * whose turn has not come would be ended for an outage that is over. It counts as silent until it
   * is heard.
   */
  #renew(connection: Guarded, now: Instant): Instant {
    this.#options.actions.resume(connection);
    connection.verdict = this.#newVerdict(connection, now);
    connection.doubtedAt = now;
    return now;
  }

  #newVerdict(connection: Guarded, since: Instant): ConfirmedVerdict {
    const { by, settings, roundTrips, judgedBy: answers, namespaceIndex } = connection;
    return new ConfirmedVerdict(
      {
        budgetMs: by.standing.budgetMs,
        surviveOutageMs: by.rule.surviveOutageMs,
        rtoMaxMs: settings?.rtoMaxMs ?? null,
        peer: by.group,
        standingIdleMs: settings?.keepalive.idleMs,
        repeatedBefore: roundTrips.repeated,
        answers,
        mtuProbing: this.#options.world.mtuProbing(namespaceIndex),
      },
      since,
    );
  }
}

function othersBeside(
  { by, isSilent }: Guarded,
  { firstUnansweredAt }: Judgement,
): OtherConnections | null {
  return by.group && othersOf(by.group, isSilent, firstUnansweredAt);
}

const TICK_MS = 10;

/** When to look again at a connection that may not be ended now. */
const HOLD_LOOK_MS = 1000;

const ENOENT = 2;
