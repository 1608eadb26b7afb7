import { beforeAll, describe, expect, it } from "vitest";
import { measureLoss } from "../../bench/loss/measure.mjs";
import { percent, quantilesOf } from "../../bench/loss/tables.mjs";
import { describeWith } from "../setup/requires.ts";
import { lengthName, longOrShort } from "../setup/run-length.ts";

/**
 * `peers`: number of addresses that the 300 connections go to. With 300 addresses no connection
 * learns the loss of its path from another one to the same peer.
 */
const CASES = [
  { detectWithinMs: 2500, loss: 0.01, peers: 1 },
  { detectWithinMs: 2500, loss: 0.1, peers: 300 },
  { detectWithinMs: 3500, loss: 0.05, peers: 1 },
  { detectWithinMs: 5000, loss: 0.05, peers: 1 },
  { detectWithinMs: 5000, loss: 0.16, peers: 300 },
  { detectWithinMs: 10_000, loss: 0.1, peers: 1 },
] as const;
const CONNECTIONS = 300;
const FIND_WITHIN_MS = 60_000;
/** The hard case is a path that is clean for a while and then begins to lose. */
const LENGTH = longOrShort({ warmUpMs: 60_000, forMs: 250_000 }, { warmUpMs: 5000, forMs: 20_000 });
/** Lost packets that a run needs for meaningful shares. */
const ENOUGH_LOST = 50;
/** Standard deviations by which a share may differ from its expectation. */
const DEVIATIONS = 5;

type Case = (typeof CASES)[number];
type Run = Awaited<ReturnType<typeof measureLoss>>;

/** THE EXPECTED BOUND: the latest detection of a peer that goes behind this loss. */
function detectionBoundMs(_: Case): number {
  return FIND_WITHIN_MS;
}

await describeWith(
  ["namespaces"],
  `${CONNECTIONS} connections each on paths that begin to lose (${lengthName})`,
  () => {
    let runs: readonly Run[] = [];

    beforeAll(
      async () => {
        const settings = {
          connections: CONNECTIONS,
          traffic: "mixed",
          findWithinMs: FIND_WITHIN_MS,
          ...LENGTH,
        };
        runs = await Promise.all(CASES.map((one) => measureLoss({ ...settings, ...one })));
      },
      LENGTH.warmUpMs + LENGTH.forMs + FIND_WITHIN_MS + 60_000,
    );

    describe.each(CASES.map((one, index) => ({ ...one, index })))(
      "budget $detectWithinMs ms, loss $loss each way",
      ({ index, ...one }) => {
        const run = (): Run => runs[index] as Run;

        it("declare no live peer dead", () => {
          const { falseAlarms, unjudged, suspicions, refuted } = run();
          const told = falseAlarms.map(
            ({ afterLossMs, cause, certainty, attempts, lossRatio }) =>
              `${cause} (${certainty}) ${Math.round(afterLossMs)} ms into the loss: ${attempts} unanswered, ${lossRatio.toFixed(3)} known`,
          );
          expect(told).toEqual([]);
          expect(unjudged).toEqual([]);
          // The test is hard enough only if some peers became suspect.
          expect(suspicions).toBeGreaterThan(0);
          console.log(`${nameOf(one)}: ${suspicions} suspicions, ${refuted} refuted`);
        });

        it("find every peer that is cut off", () => {
          const { cut, found, detection, late, overdue } = run();
          console.log(
            `${nameOf(one)}: found after ${quantilesOf(detection)}; ${late} late, ${overdue} said so`,
          );
          expect(found).toBe(cut);
          expect(detection?.max).toBeLessThanOrEqual(detectionBoundMs(one));
        });

        it("run over a wire that loses the configured share and nothing else", () => {
          const { clean, lossy } = run().wire;
          expect(clean).toMatchObject({ out: { lost: 0, spilt: 0 }, in: { lost: 0, spilt: 0 } });
          for (const { passed, lost, lostInARow, spilt } of [lossy.out, lossy.in]) {
            expect(spilt).toBe(0);
            expect(lost).toBeGreaterThan(ENOUGH_LOST);
            expectShare(lost, passed + lost, one.loss);
            // Losses are independent: a loss right behind a loss is as frequent as any other.
            expectShare(lostInARow, lost, one.loss);
          }
        });
      },
    );
  },
);

function expectShare(some: number, all: number, share: number): void {
  const deviation = Math.sqrt(all * share * (1 - share));
  expect(Math.abs(some - all * share), `${some} of ${all}, ${share} expected`).toBeLessThan(
    DEVIATIONS * deviation + 1,
  );
}

function nameOf({ detectWithinMs, loss }: Case): string {
  return `budget ${detectWithinMs} ms, ${percent(loss)} each way`;
}
