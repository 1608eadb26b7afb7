import { beforeAll, describe, expect, it } from "vitest";
import { measureLoss } from "../../bench/loss/measure.mjs";
import { quantilesOf } from "../../bench/loss/tables.mjs";
import { describeWith } from "../setup/requires.ts";

/** Satellites, congested uplinks, GPRS. */
const CASES = [
  { detectWithinMs: 2500, delayMs: 750 },
  { detectWithinMs: 2500, delayMs: 1000 },
  { detectWithinMs: 5000, delayMs: 750 },
  { detectWithinMs: 5000, delayMs: 1000 },
] as const;
const CALM_MS = 25_000;
/** With data in flight the proof takes up to eight transmissions, up to two round trips apart. */
const FIND_WITHIN_MS = 60_000;
/**
 * Allowed shares of the promised time. Later: the kernel's timers are late. Earlier: by one of the
 * eight transmissions, because a tail loss probe that sends new data is not counted.
 */
const FORETOLD = { latest: 1.1, earliest: 0.8 };
/** Loss assumed of a path without evidence. */
const PRIOR_LOSS = 0.01;

type Run = Awaited<ReturnType<typeof measureLoss>>;

await describeWith(
  ["namespaces"],
  "connections whose round trips are long, on a path that loses nothing",
  () => {
    let runs: readonly Run[] = [];

    beforeAll(async () => {
      const settings = {
        connections: 20,
        traffic: "mixed",
        loss: 0,
        forMs: CALM_MS,
        findWithinMs: FIND_WITHIN_MS,
      };
      runs = await Promise.all(CASES.map((one) => measureLoss({ ...settings, ...one })));
    }, 120_000);

    describe.each(CASES.map((one, index) => ({ ...one, index })))(
      "budget $detectWithinMs ms, $delayMs ms each way",
      ({ index, ...one }) => {
        const run = (): Run => runs[index] as Run;

        it("live for 25 s, and their paths seem to lose nothing", () => {
          const { falseAlarms, unjudged, learned, suspicions, refuted } = run();
          console.log(
            `${one.detectWithinMs} ms, ${2 * one.delayMs} ms: ${suspicions} suspicions, ${refuted} refuted, ${learned?.max} lost`,
          );
          expect(falseAlarms).toEqual([]);
          expect(unjudged).toEqual([]);
          // An answer on its way is late and not lost.
          expect(learned?.max).toBeLessThanOrEqual(PRIOR_LOSS);
        });

        it("are found dead once cut, with data in flight at the time that `applied` predicts", () => {
          const { cut, found, detection, promisedMs, inFlight } = run();
          console.log(
            `found ${found} of ${cut} after ${quantilesOf(detection)}, promised idle ${promisedMs?.max} ms`,
          );
          const shares = inFlight
            .map(({ foundMs, promisedMs: withinMs }) => foundMs / withinMs)
            .sort((a, b) => a - b);
          console.log(
            `in flight after ${shares.map((share) => share.toFixed(2)).join(", ")} of the promised time`,
          );
          expect(found).toBe(cut);
          expect(shares.length).toBe(cut / 2);
          expect(shares[0]).toBeGreaterThan(FORETOLD.earliest);
          expect(shares.at(-1)).toBeLessThan(FORETOLD.latest);
        });
      },
    );
  },
);
