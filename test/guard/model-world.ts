import { GuardActions } from "../../src/guard/actions.ts";
import { GuardEngine } from "../../src/guard/engine.ts";
import type { GuardEvent } from "../../src/guard/event.ts";
import type { Guarded } from "../../src/guard/guarded.ts";
import { type BrakeSettings, DEFAULT_BRAKE } from "../../src/guard/mass-death-brake.ts";
import { GuardMemory } from "../../src/guard/memory.ts";
import type { GuardRule } from "../../src/guard/rule.ts";
import type { Decide, GuardWorld, Look, Tuned } from "../../src/guard/world.ts";
import type { NetworkNamespace } from "../../src/kernel/netlink/network-namespace.ts";
import { bearable, type ConnectionOptions } from "../../src/kernel/options/connection-options.ts";
import { MATCH_ALL } from "../../src/survey/connection-filter.ts";
import type { ConnectionTable } from "../../src/survey/connection-table.ts";
import type { SocketOwner } from "../../src/survey/owners.ts";
import type { KernelModel } from "../core/judge/kernel-model.ts";
import { tableOf } from "../survey/survey-bytes.ts";

const NO_KEEPALIVE: ConnectionOptions = {
  keepalive: { enabled: false, idleMs: 7_200_000, intervalMs: 75_000, count: 9 },
  userTimeoutMs: 0,
  rtoMaxMs: 120_000,
};

export interface ModelConnection {
  readonly kernel: KernelModel;
  readonly remote: readonly number[];
  options: ConnectionOptions;
  namespaceIndex: number;
  /** The time between two written segments; `null` = never writes. */
  readonly writeEveryMs: number | null;
}

/** A machine whose connections are models of the kernel, in virtual time, under a guard. */
export class ModelWorld implements GuardWorld {
  now = 0;
  readonly connections: Map<number, ModelConnection> = new Map();
  readonly events: GuardEvent[] = [];
  /** When the kernel itself gave a connection up. */
  readonly kernelEndedAt: Map<number, number> = new Map();
  readonly endedAt: Map<number, number> = new Map();
  /** The time that one reading takes, ms. */
  readingMs = 0;
  /** Namespaces that the surveys have lost. */
  readonly gone: Set<number> = new Set();
  engine: GuardEngine;
  readonly rules: readonly GuardRule[];
  readonly #sweepMs: number;
  readonly #hasRtoCap: boolean;
  readonly #apply: boolean;
  readonly #brake: BrakeSettings;
  /** Outlives a guard, as its file does. */
  readonly #memory: GuardMemory = new GuardMemory();

  constructor(options: {
    budgetMs?: number;
    surviveOutageMs?: number;
    apply?: boolean;
    brake?: BrakeSettings;
    sweepMs?: number;
    hasRtoCap?: boolean;
    endsUnproven?: boolean;
  }) {
    const { budgetMs = 5000, apply = true } = options;
    this.#sweepMs = options.sweepMs ?? 1000;
    this.#hasRtoCap = options.hasRtoCap ?? true;
    const rule: GuardRule = {
      name: "all",
      match: MATCH_ALL,
      detectWithinMs: budgetMs,
      surviveOutageMs: options.surviveOutageMs,
      endsDead: true,
      endsUnproven: options.endsUnproven ?? false,
      includesListeners: true,
      includesLoopback: true,
    };
    this.rules = [rule];
    this.#apply = apply;
    this.#brake = options.brake ?? DEFAULT_BRAKE;
    this.engine = this.#newGuard();
  }

  #newGuard(): GuardEngine {
    const { holdAtMostMs } = this.#brake;
    const log = (event: GuardEvent): number => this.events.push(event);
    const memory = this.#memory;
    const actions = new GuardActions({
      world: this,
      apply: this.#apply,
      zeroWindowToleranceMs: 60_000,
      holdAtMostMs,
      memory,
      log,
    });
    return new GuardEngine(
      { world: this, actions, brake: this.#brake, rules: this.rules },
      this.now,
    );
  }

  /** Stops or kills the guard and starts another one. */
  restart(isKilled: boolean): void {
    if (!isKilled) this.engine.stop();
    this.engine = this.#newGuard();
  }

  add(
    kernel: KernelModel,
    remote: readonly number[] = [10, 0, 0, 2],
    writeEveryMs: number | null = null,
    namespaceIndex = 0,
  ): number {
    const cookie = this.connections.size + 1;
    const options = this.#hasRtoCap ? NO_KEEPALIVE : { ...NO_KEEPALIVE, rtoMaxMs: null };
    this.connections.set(cookie, { kernel, remote, options, writeEveryMs, namespaceIndex });
    return cookie;
  }

  /** The connection's program sets options of its own. */
  program(key: number, options: Partial<ConnectionOptions>): void {
    const connection = this.connections.get(key);
    if (!connection) return;
    connection.options = { ...connection.options, ...options };
    this.#set(connection);
  }

  /** Lets time pass without a guard. */
  runAlone(untilMs: number): void {
    this.now = untilMs;
    this.#live();
  }

  run(untilMs: number): void {
    let sweepAt = this.now;
    let dueAt = Number.POSITIVE_INFINITY;
    while (this.now < untilMs) {
      this.now = Math.min(untilMs, sweepAt, Math.max(this.now + 1, dueAt));
      this.#live();
      if (this.now >= sweepAt) {
        this.engine.survey(this.#table(), this.now, {
          isThere: (index) => !this.gone.has(index),
        });
        sweepAt = this.now + this.#sweepMs;
      }
      dueAt = this.engine.advance(this.now);
    }
  }

  actionsOf(action: GuardEvent["action"]): GuardEvent[] {
    return this.events.filter((event) => event.action === action);
  }

  ownerOf(inode: number): SocketOwner {
    return { pid: inode, process: "model", cgroup: null };
  }

  namespaceOf(index: number): NetworkNamespace {
    return { inode: 4_026_532_000 + index, path: "", name: `c${index}`, isOwn: index === 0 };
  }

  learnOwners(): void {}

  look(connection: Guarded): Look | null {
    this.now += this.readingMs;
    this.#live();
    const info = this.connections.get(connection.key)?.kernel.info();
    return info ? { at: this.now, info } : null;
  }

  tune({ key }: Guarded, decide: Decide, isDry: boolean): Tuned {
    const connection = this.connections.get(key);
    if (!connection) return { errno: 3, before: null, after: null };
    const before = connection.options;
    const wanted = decide(before);
    const after = wanted && bearable(wanted, before, connection.kernel.info());
    if (after && !isDry) {
      connection.options = after;
      this.#set(connection);
    }
    return { errno: 0, before, after };
  }

  nudge({ key }: Guarded): number {
    this.connections.get(key)?.kernel.nudge();
    return 0;
  }

  end({ key }: Guarded): number {
    this.endedAt.set(key, this.now);
    return this.connections.delete(key) ? 0 : 2;
  }

  examinePath(): null {
    return null;
  }

  retries2(): number {
    return 15;
  }

  mtuProbing(): { isOn: boolean; afterTimeouts: number } {
    return { isOn: false, afterTimeouts: 3 };
  }

  #set({ kernel, options }: ModelConnection): void {
    const { enabled: keepalive, idleMs, intervalMs, count } = options.keepalive;
    const { userTimeoutMs, rtoMaxMs } = options;
    kernel.set({
      keepalive,
      idleMs,
      intervalMs,
      count,
      userTimeoutMs,
      ...(rtoMaxMs === null ? {} : { rtoMaxMs }),
    });
  }

  #live(): void {
    for (const [key, connection] of this.connections) {
      this.#advance(connection);
      if (connection.kernel.state === "CLOSE") this.#endedByKernel(key);
    }
  }

  #endedByKernel(key: number): void {
    this.kernelEndedAt.set(key, this.now);
    this.connections.delete(key);
  }

  #advance({ kernel, writeEveryMs }: ModelConnection): void {
    while (kernel.now < this.now) {
      const write =
        writeEveryMs === null
          ? Number.POSITIVE_INFINITY
          : (Math.floor(kernel.now / writeEveryMs) + 1) * writeEveryMs;
      kernel.run(Math.min(this.now, write));
      if (kernel.now >= write) kernel.write();
    }
  }

  #table(): ConnectionTable {
    return tableOf(
      [...this.connections]
        .filter(([, { namespaceIndex }]) => !this.gone.has(namespaceIndex))
        .map(([cookie, { kernel, remote, namespaceIndex }]) => ({
          cookie,
          remote,
          info: kernel.info(),
          namespaceIndex,
        })),
    );
  }
}
