import { NUDGE_IDLE_MS } from "../kernel/nudge.ts";
import type { AppliedKeepalive } from "../kernel/options/applied-keepalive.ts";
import { type ConnectionOptions, isSameOptions } from "../kernel/options/connection-options.ts";
import { isSameKeepalive } from "../kernel/options/keepalive.ts";
import { ESRCH, errnoText } from "../kernel/port/errno-linux.ts";
import type { Guarded } from "./guarded.ts";
import type { GuardMemory } from "./memory.ts";
import { tighten } from "./rule.ts";
import type { GuardWorld, Tuned } from "./world.ts";

/**
 * The settings of guarded sockets. A socket can have three kinds of them:
 *
 *   its own       set by its program; GuardMemory keeps them while the guard's stand
 *   the rule's    its own, tightened to the rule's standing settings     `connection.settings`
 *   for a while   after a nudge, in a hold, with a user timeout          `connection.isDeviating`
 *
 * Moves sockets between them. GuardActions decides when, and writes the log.
 */
export class GuardedSettings {
  readonly #world: GuardWorld;
  readonly #memory: GuardMemory;

  constructor(world: GuardWorld, memory: GuardMemory) {
    this.#world = world;
    this.#memory = memory;
  }

  /** Returns the settings that the program had; `null` when the guard has changed none of them. */
  ownOf(connection: Guarded): ConnectionOptions | null {
    return this.#memory.of(connection.key);
  }

  /**
   * Brings a socket to the settings of its rule; with `isDry` says what would change. `listener`:
   * the socket that accepted this one, if any. Settings of ours that were inherited from it are not
   * the program's own.
   */
  tighten(connection: Guarded, listener: Guarded | null, isDry: boolean): Tuned {
    const { standing } = connection.by;
    let own: ConnectionOptions | null = null;
    const decide = (before: ConnectionOptions): ConnectionOptions | null => {
      own = this.#programsOwn(connection, before, listener);
      const wanted = tighten(own, standing) ?? own;
      return isSameOptions(wanted, before) ? null : wanted;
    };

    const tuned = this.#world.tune(connection, decide, isDry);
    if (isDry || tuned.errno !== 0 || own === null || tuned.before === null) return tuned;

    connection.left = tuned.after ?? tuned.before;
    connection.settings = tighten(own, standing) ?? own;
    connection.isDeviating = !isSameOptions(connection.left, connection.settings);
    if (this.ownOf(connection) !== null || !isSameOptions(own, connection.left))
      this.#memory.note(connection.key, own);
    return tuned;
  }

  /**
   * Takes new standing settings without touching the socket: they wait for the end of a hold.
   * `false`: the guard has changed nothing yet.
   */
  retarget(connection: Guarded): boolean {
    const own = this.ownOf(connection);
    if (own === null) return false;

    connection.settings = tighten(own, connection.by.standing) ?? own;
    return true;
  }

  /** Gives a socket other settings for a while. `false`: it could not be reached. */
  change(connection: Guarded, decide: (before: ConnectionOptions) => ConnectionOptions): boolean {
    const noteAndDecide = (before: ConnectionOptions): ConnectionOptions => {
      if (this.ownOf(connection) === null) this.#memory.note(connection.key, before);
      return decide(before);
    };

    const { errno, after } = this.#world.tune(connection, noteAndDecide, false);
    if (errno !== 0) return false;

    connection.left = after;
    return true;
  }

  /**
   * Puts back the rule's settings: after a nudge or a hold, and after a time in which the
   * connection could not bear all of them.
   */
  restore(connection: Guarded): void {
    const { settings } = connection;
    if (!connection.isDeviating || settings === null) return;
    if (!this.change(connection, () => settings)) return;

    connection.isDeviating = connection.left !== null && !isSameOptions(connection.left, settings);
    connection.hasUserTimeout &&= connection.isDeviating;
  }

  /**
   * Gives the program its own settings back. `false`: the connection bears only some of them now;
   * the rest must wait until its peer is heard.
   */
  release(connection: Guarded): boolean {
    const own = this.ownOf(connection);
    if (own === null) return true;

    const isReached = this.change(connection, () => own);
    if (!isReached || connection.left === null || !isSameOptions(connection.left, own))
      return false;

    this.#memory.forget(connection.key);
    return true;
  }

  /** Forgets the settings of sockets that are gone, and saves the others. */
  keepOnly(isThere: (key: number) => boolean): void {
    this.#memory.keepOnly(isThere);
    this.#memory.save();
  }

  /** Returns the settings of the program: its last ones, even if set after the guard's. */
  #programsOwn(
    connection: Guarded,
    before: ConnectionOptions,
    listener: Guarded | null,
  ): ConnectionOptions {
    const known = this.ownOf(connection);
    if (known === null) {
      const isInherited =
        listener !== null && listener.left !== null && isSameOptions(before, listener.left);
      return (isInherited && this.ownOf(listener)) || before;
    }

    const { left } = connection;
    if (left === null || isAsLeft(before.keepalive, left.keepalive)) return known;
    return { ...known, keepalive: before.keepalive };
  }
}

/** True when the keepalive is as the guard left it, or as a nudge of the guard changed it since. */
function isAsLeft(now: AppliedKeepalive, left: AppliedKeepalive): boolean {
  return (
    isSameKeepalive(now, left) ||
    (now.idleMs === NUDGE_IDLE_MS && isSameKeepalive(now, { ...left, idleMs: NUDGE_IDLE_MS }))
  );
}

const ENOSYS = 38;

/** Says why the settings of a socket could not be reached, and what would help. */
export function unreachableText(errno: number): string {
  const others = "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH are needed for other users' processes";
  if (errno === ESRCH)
    return `its settings could not be reached: no process that holds it can be seen; ${others}`;

  const hint =
    errno === ENOSYS ? "this kernel, or a sandbox around halfopen, has no pidfd_getfd" : others;
  return `its settings could not be reached: ${errnoText(errno)}; ${hint}`;
}
