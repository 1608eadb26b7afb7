import { it, vi } from "vitest";
import { modelledPort, VirtualProcess } from "./virtual-process.ts";
vi.mock("../../src/kernel/port/open-port.ts", () => modelledPort);
import { Liveness } from "../../src/core/judge/liveness.ts";
const filling = (fromMs: number, fullMs: number, drainsFromMs = Number.POSITIVE_INFINITY) => (at: number): number => {
    const filled = Math.min(fullMs, Math.max(0, at - fromMs));
    return Math.max(0, filled - Math.max(0, at - drainsFromMs));
  };
async function go(D: number, fullMs: number, drains: number, until: number, cut = Infinity) {
  const virtual = await VirtualProcess.start();
  const path = { rttMs: 5, isUp: (at: number) => at < cut, queuedMs: filling(10_000, fullMs, drains) };
  const a = virtual.connect(path, { peer: 1e6, local: 1e6 });
  const b = virtual.connect(path, { peer: 1e6, local: 1e6 });
  let t0 = a.from;
  for (const [n, c] of [["up", a], ["idle", b]] as const) {
    const w = virtual.watch(c.socket, { detectWithinMs: D });
    for (const e of ["suspect", "alive", "overdue", "dead"] as const) w.on(e, (d) => console.log(n, e, Math.round(performance.now() - t0), d.why.join(), d.evidence.tcpInfo?.rttMs, d.evidence.lossRatio, d.unknown.join()));
    let last = 0;
    for (let t = 5000; t < until; t += 5000) virtual.at(c, t, () => { const g = (w as any); const i = c.kernel.info(); console.log(n, t, "loss", w.diagnosis.evidence.lossRatio, w.applied?.detectWithinMs.idle, w.applied?.detectWithinMs.inFlight, "rtt", i.rttMs, i.rttVarMs, "rto", i.rtoMs, "retr", i.totalRetransmits, "dsack", i.dsackDuplicates, "unacked", i.unackedSegments, c.kernel.options.rtoMaxMs); });
  }
  for (let at = 10_000; at < Math.min(drains, until); at += 100) virtual.writeAt(a, at);
  await virtual.runTo(a, until);
  virtual.end();
}
import { PathDelay } from "../../src/core/judge/path-delay.ts";
it("dbg0", async () => {
  const virtual = await VirtualProcess.start();
  const m = await import("../../src/core/judge/path-delay.ts");
  const o = m.PathDelay.prototype.answered;
  m.PathDelay.prototype.answered = function (sentAt, lateMs, min) {
    o.call(this, sentAt, lateMs, min);
    if (performance.now() < 26_000) console.log("ANS", Math.round(performance.now()), "sent", Math.round(sentAt), "late", Math.round(lateMs), min, "->", this.lateMs, this.rememberedMs, new Error().stack?.split("\n")[2]?.slice(0, 60));
  };
  const path = { rttMs: 5, isUp: () => true, queuedMs: filling(10_000, 20_000) };
  const a = virtual.connect(path, { peer: 1e6, local: 1e6 });
  const b = virtual.connect(path, { peer: 1e6, local: 1e6 });
  virtual.watch(a.socket, { detectWithinMs: 5000 });
  virtual.watch(b.socket, { detectWithinMs: 5000 });
  for (let at = 10_000; at < 60_000; at += 100) virtual.writeAt(a, at);
  await virtual.runTo(a, 26_000);
  virtual.end();
});
it.skip("dbg1", async () => { console.log("#1"); await go(5000, 20_000, Infinity, 60_000); });
it.skip("dbg2", async () => { console.log("#2"); await go(5000, 20_000, 50_000, 160_000, 150_000); });
