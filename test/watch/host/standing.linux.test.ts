import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ProbePlan } from "../../../src/core/judge/probe-plan.ts";
import { planOnShortPath } from "../../../src/core/judge/short-path.ts";
import { nudgeDescriptor } from "../../../src/kernel/nudge.ts";
import {
  type ConnectionOptions,
  readOptions,
} from "../../../src/kernel/options/connection-options.ts";
import { applyKeepalive, setKeepalive } from "../../../src/kernel/options/keepalive.ts";
import { applyRtoMax } from "../../../src/kernel/options/rto-max.ts";
import { setUserTimeout } from "../../../src/kernel/options/user-timeout.ts";
import { descriptorOf } from "../../../src/kernel/process/descriptor.ts";
import { appliedByKernel } from "../../../src/watch/host/applied-by-kernel.ts";
import { Standing } from "../../../src/watch/host/standing.ts";
import type { WatchOptions } from "../../../src/watch/options.ts";
import { settingsOf } from "../../../src/watch/settings.ts";
import { loopbackPair, type Pair } from "../loopback.ts";

const system = vi.hoisted(() => ({ retries2: 15 }));
vi.mock("../../../src/kernel/options/retries.ts", () => ({
  readRetries: () => ({ tcpRetries2: system.retries2 }),
}));

const BUDGET_MS = 10_000;
const IDLE_MS = 3000;
const DAY_MS = 86_400_000;

let pair: Pair;
let socket: Socket;
let fd: number;
let hasRtoMax: boolean;
beforeEach(async () => {
  pair = await loopbackPair();
  socket = pair.client;
  fd = descriptorOf(socket);
  hasRtoMax = readOptions(fd).rtoMaxMs !== null;
});
afterEach(() => pair.dispose());

const standingOn = (options: WatchOptions = {}): Standing =>
  Standing.on(fd, settingsOf({ detectWithinMs: BUDGET_MS, ...options }));
const kernel = (): ConnectionOptions => readOptions(fd);
const isOpen = (): boolean => true;

/** The options that the program has set before it is watched. */
function setByProgram(): ConnectionOptions {
  setKeepalive(socket, { idleMs: 77_000, intervalMs: 11_000, count: 5 });
  setUserTimeout(socket, 33_000);
  if (hasRtoMax) applyRtoMax(fd, 40_000);
  return kernel();
}

describe("the standing options", () => {
  it("leave keepalive and user timeout alone until started, and take a user timeout away then", () => {
    const before = setByProgram();
    const standing = standingOn();
    const { saved, keepalive } = standing;
    expect({ saved, keepalive }).toEqual({ saved: before, keepalive: before.keepalive });
    const { userTimeoutMs } = before;
    expect(kernel()).toMatchObject({ keepalive: before.keepalive, userTimeoutMs });
    standing.start(fd, IDLE_MS);
    expect(kernel().userTimeoutMs).toBe(0);
  });

  it("hold in the kernel once started: a short idle time, a loose count", () => {
    const { keepalive } = standingOn().start(fd, IDLE_MS);
    expect(keepalive).toMatchObject({ enabled: true, idleMs: IDLE_MS, intervalMs: 1000 });
    expect(keepalive.count).toBeGreaterThanOrEqual(40);
    expect(kernel().keepalive).toEqual(keepalive);
  });

  it("never end the connection if a verdict is only reported, and leave the program its cap and its user timeout", () => {
    const before = setByProgram();
    const standing = standingOn({ onDead: "report" }).start(fd, IDLE_MS);
    const { intervalMs, count } = standing.keepalive;
    expect((intervalMs * count) / DAY_MS).toBeGreaterThan(48);
    expect(kernel().rtoMaxMs).toBe(before.rtoMaxMs);
    expect(standing.terms).toMatchObject({
      rtoMaxMs: null,
      inFlightUserTimeoutMs: before.userTimeoutMs,
    });
  });

  it("cap the backoff at a fifth of the budget", ({ skip }) => {
    skip(!hasRtoMax, "no TCP_RTO_MAX_MS before Linux 6.15");
    expect(standingOn({ detectWithinMs: 20_000 }).terms.rtoMaxMs).toBe(4000);
    expect(kernel().rtoMaxMs).toBe(4000);
  });

  it("are one object for connections with equal options", async () => {
    await using other = await loopbackPair();
    const settings = settingsOf({ detectWithinMs: BUDGET_MS });
    const first = standingOn().start(fd, IDLE_MS);
    const otherFd = descriptorOf(other.client);
    expect(Standing.on(otherFd, settings).start(otherFd, IDLE_MS)).toBe(first);
  });
});

describe("the program's options", () => {
  it("are restored", () => {
    const before = setByProgram();
    standingOn().start(fd, IDLE_MS).guard(fd, "in-flight").restore(fd, isOpen);
    expect(kernel()).toEqual(before);
  });

  it("are restored after other settings took over", () => {
    const before = setByProgram();
    const settings = settingsOf({ detectWithinMs: 60_000 });
    const standing = standingOn().start(fd, IDLE_MS).again(fd, settings);
    expect({ saved: standing.saved, budgetMs: standing.terms.budgetMs }).toEqual({
      saved: before,
      budgetMs: 60_000,
    });
    standing.restore(fd, isOpen);
    expect(kernel()).toEqual(before);
  });

  it("include what the program set meanwhile", () => {
    const standing = standingOn().start(fd, IDLE_MS);
    const theirs = setKeepalive(socket, { idleMs: 44_000, intervalMs: 9000, count: 3 });
    standing.restore(fd, isOpen);
    expect(kernel().keepalive).toEqual(theirs);
  });

  it("have no more of what the program set meanwhile than it set: an idle time alone leaves its pace", () => {
    const before = setByProgram();
    const standing = standingOn().start(fd, IDLE_MS);
    applyKeepalive(fd, { ...standing.keepalive, idleMs: 33_000 });
    standing.restore(fd, isOpen);
    expect(kernel().keepalive).toEqual({ ...before.keepalive, idleMs: 33_000 });
  });

  it("include a user timeout that the program set meanwhile, which is taken off while probes are missing", () => {
    const before = setByProgram();
    const standing = standingOn().start(fd, IDLE_MS);
    setUserTimeout(socket, 5000);
    const probing = standing.keepIdle(fd, IDLE_MS, true);
    expect(kernel().userTimeoutMs).toBe(0);
    probing.restore(fd, isOpen);
    expect(kernel()).toEqual({ ...before, userTimeoutMs: 5000 });
  });

  it("are restored when a watch that only reports takes over from one that ends, and ends itself", () => {
    const before = setByProgram();
    const strong = standingOn({ detectWithinMs: 600_000 })
      .start(fd, IDLE_MS)
      .guard(fd, "in-flight");
    expect(kernel().userTimeoutMs).toBe(1_800_000);
    const report = strong.again(fd, settingsOf({ onDead: "report" })).start(fd, IDLE_MS);
    expect(kernel()).toMatchObject({ userTimeoutMs: 0, rtoMaxMs: before.rtoMaxMs });
    report.restore(fd, isOpen);
    expect(kernel()).toEqual(before);
  });

  it("do not include what a probe on demand left behind, ours or another process's", () => {
    const before = setByProgram();
    for (const whose of ["ours", "another's"]) {
      const standing = standingOn().start(fd, IDLE_MS);
      if (whose !== "ours") nudgeDescriptor(fd);
      const nudged = whose === "ours" ? standing.nudge(fd) : standing;
      expect({ whose, idleMs: kernel().keepalive.idleMs }).toEqual({ whose, idleMs: 1000 });
      nudged.restore(fd, isOpen);
      expect({ whose, ...kernel() }).toEqual({ whose, ...before });
    }
  });
});

describe("the idle time", () => {
  it("follows the plan, also after a probe on demand", () => {
    const started = standingOn().start(fd, IDLE_MS);
    const longer = started.keepIdle(fd, 5000, false);
    expect(kernel().keepalive).toEqual({ ...started.keepalive, idleMs: 5000 });
    const nudged = longer.nudge(fd);
    expect(nudged.keepIdle(fd, 5000, false).keepalive).toEqual(longer.keepalive);
    expect(kernel().keepalive.idleMs).toBe(5000);
  });

  it("is neither set again nor corrected if it is the plan's already", () => {
    const started = standingOn().start(fd, IDLE_MS);
    setKeepalive(socket, false);
    expect(started.keepIdle(fd, IDLE_MS, false)).toBe(started);
    expect(kernel().keepalive.enabled).toBe(false);
  });

  it("is set again if a probe is missing, and the program gets back what it had set", () => {
    const { intervalMs, count } = kernel().keepalive;
    const started = standingOn().start(fd, IDLE_MS);
    const theirs = setKeepalive(socket, false);
    const mended = started.keepIdle(fd, IDLE_MS, true);
    expect(kernel().keepalive).toEqual(started.keepalive);
    mended.restore(fd, isOpen);
    expect(kernel().keepalive).toEqual({ ...theirs, intervalMs, count });
  });
});

describe("the user timeout", () => {
  /** Longer than the kernel's own patience under the cap. */
  const long = { detectWithinMs: 600_000 } as const;

  it("guards data in flight under a long budget, and nothing else", () => {
    const idle = standingOn(long).start(fd, IDLE_MS);
    const guarded = idle.guard(fd, "in-flight");
    expect({ kernel: kernel().userTimeoutMs, has: guarded.hasUserTimeout }).toEqual({
      kernel: 1_800_000,
      has: true,
    });
    const over = guarded.guard(fd, "idle");
    expect({ kernel: kernel().userTimeoutMs, has: over.hasUserTimeout }).toEqual({
      kernel: 0,
      has: false,
    });
  });

  it("is not set if the kernel's own patience is enough", ({ skip }) => {
    skip(!hasRtoMax, "no TCP_RTO_MAX_MS before Linux 6.15");
    const standing = standingOn().start(fd, IDLE_MS);
    expect(standing.guard(fd, "in-flight")).toBe(standing);
    expect(kernel().userTimeoutMs).toBe(0);
  });
});

describe("where the kernel gives up data in flight within the budget", () => {
  beforeEach(() => {
    system.retries2 = 3;
  });
  afterEach(() => {
    system.retries2 = 15;
  });

  it("the user timeout stands while idle too, no shorter than the count it stands in for, and not at a closed window", () => {
    const before = setByProgram();
    const idle = standingOn({ detectWithinMs: 60_000 }).start(fd, IDLE_MS);
    expect(kernel().userTimeoutMs).toBe(180_000);
    expect(idle.guard(fd, "idle").guard(fd, "in-flight")).toBe(idle);
    const blocked = idle.guard(fd, "blocked");
    expect(kernel().userTimeoutMs).toBe(0);
    blocked.guard(fd, "idle").restore(fd, isOpen);
    expect(kernel()).toEqual(before);

    standingOn({ detectWithinMs: 2500, zeroWindowToleranceMs: 1000 }).start(fd, 1000);
    expect(kernel().userTimeoutMs).toBe(40_000);
  });

  it("`applied` says what stands, and what no option can keep", () => {
    const plan = planOnShortPath({ budgetMs: 60_000, falseAlarmsPerYear: 0.01, rtoMaxMs: 12_000 });
    const standing = standingOn({ detectWithinMs: 60_000 }).start(fd, IDLE_MS);
    const { userTimeoutMs, backstopMs, notes } = appliedByKernel(standing, judging(plan));
    expect({ userTimeoutMs, backstopMs }).toEqual({
      userTimeoutMs: 180_000,
      backstopMs: { idle: 180_000 + standing.keepalive.intervalMs, inFlight: 180_000 },
    });
    expect(notes).toEqual([
      expect.stringMatching(/tcp_retries2 is 3: behind a closed window.*3000 ms/),
    ]);

    standing.restore(fd, isOpen);
    const report = standingOn({ detectWithinMs: 60_000, onDead: "report" }).start(fd, IDLE_MS);
    const reported = appliedByKernel(report, judging(plan));
    expect(reported).toMatchObject({ userTimeoutMs: 0, backstopMs: { inFlight: 3000 } });
    expect(reported.notes).toContainEqual(
      expect.stringMatching(/data in flight, or behind.*3000 ms/),
    );
  });
});

describe("the cap on backoff", () => {
  it("is taken off for the last data after the program ended its side", ({ skip }) => {
    skip(!hasRtoMax, "no TCP_RTO_MAX_MS before Linux 6.15");
    const before = kernel();
    const standing = standingOn().start(fd, IDLE_MS);
    const uncapped = standing.uncap(fd);
    expect({ kernel: kernel().rtoMaxMs, terms: uncapped.terms.rtoMaxMs }).toEqual({
      kernel: before.rtoMaxMs,
      terms: null,
    });
    expect(uncapped.uncap(fd)).toBe(uncapped);
  });
});

/** As much of a judge as `applied` needs. */
const judging = (plan: ProbePlan) => ({ latestPlan: plan, idleMs: 1000, routineMs: 1270 });

describe("`applied`", () => {
  const plan = planOnShortPath({ budgetMs: BUDGET_MS, falseAlarmsPerYear: 0.01, rtoMaxMs: 2000 });

  it("names the keepalive in force, and when the kernel itself ends an idle connection", () => {
    const { keepalive, backstopMs, detectWithinMs, overdue } = appliedByKernel(
      standingOn().start(fd, IDLE_MS),
      judging(plan),
    );
    const held = kernel().keepalive;
    expect(keepalive).toEqual({
      idleMs: held.idleMs,
      intervalMs: held.intervalMs,
      count: held.count,
    });
    expect(backstopMs.idle).toBe(held.idleMs + held.intervalMs * held.count);
    expect({ idle: detectWithinMs.idle, overdue }).toEqual({ idle: BUDGET_MS, overdue: false });
  });

  it("says that the proof does not fit into the budget, unless atDeadline is 'end'", () => {
    const late: ProbePlan = { ...plan, idleWithinMs: 12_345.6 };
    const waiting = appliedByKernel(standingOn(), judging(late));
    expect(waiting).toMatchObject({ overdue: true, detectWithinMs: { idle: 12_346 } });
    expect(waiting.notes).toContainEqual(expect.stringContaining("do not fit into 10000 ms"));
    const window = appliedByKernel(
      standingOn(),
      judging({ ...plan, closedWindowWithinMs: 10_420 }),
    );
    expect(window.notes).toContainEqual(
      expect.stringContaining("10000 ms in flight, 10420 ms behind a closed window;"),
    );
    expect(appliedByKernel(standingOn({ atDeadline: "end" }), judging(late))).toMatchObject({
      overdue: false,
      detectWithinMs: { idle: BUDGET_MS },
    });
  });

  it("counts how long a missing standing probe is waited for, where it leaves on demand only", () => {
    const late: ProbePlan = { ...plan, idleWithinMs: 12_000 };
    expect(appliedByKernel(standingOn(), judging(late)).detectWithinMs.idle).toBe(12_000);
    const report = standingOn({ onDead: "report" });
    expect(appliedByKernel(report, judging(late)).detectWithinMs.idle).toBe(12_270);
  });

  it("says why there is no cap on backoff", ({ skip }) => {
    skip(!hasRtoMax, "no TCP_RTO_MAX_MS before Linux 6.15");
    const notes = {
      capped: appliedByKernel(standingOn(), judging(plan)).notes,
      reporting: appliedByKernel(standingOn({ onDead: "report" }), judging(plan)).notes,
    };
    expect(notes).toEqual({ capped: [], reporting: [expect.stringContaining("ends nothing")] });
    expect(appliedByKernel(standingOn().uncap(fd), judging(plan)).notes).toEqual([
      expect.stringContaining("ended its side"),
    ]);
  });
});
