import { expect, it } from "vitest";
import { measureMixed } from "../../bench/mixed/measure.mjs";
import { NEEDS } from "../../bench/mixed/servers.mjs";
import { tables } from "../../bench/mixed/tables.mjs";
import { describeWith } from "../setup/requires.ts";
import { lengthName, longOrShort } from "../setup/run-length.ts";

/** The release length is the bench's own, with its defaults for all else. */
const SETTINGS = longOrShort(
  { forMs: 1_800_000 },
  { forMs: 15_000, detectWithinMs: 2500, askIdleForMs: 2000 },
);
const LOSS = 0.05;
interface Mixed {
  readonly detectWithinMs: number;
  readonly packets: { readonly passed: number; readonly lost: number };
  readonly compared: number;
  readonly suspicions: number;
  readonly ended: readonly unknown[];
  readonly lost: readonly unknown[];
  readonly differences: readonly unknown[];
  readonly defeated: readonly unknown[];
  readonly unfinished: readonly unknown[];
  readonly lanes: readonly {
    readonly lane: string;
    readonly compared: number;
    readonly longestMs: number;
  }[];
  readonly rules: readonly {
    readonly lane: string;
    readonly rule: string;
    readonly watched: { readonly held: number };
    readonly alone: { readonly held: number };
  }[];
}

const LONGEST_BUDGETS = 4;
/** Each of these must have taken a step that long. */
const TAKES_LONG = ["pg", "mysql2", "ioredis", "node-redis", "nats"];

await describeWith(
  ["root", "namespaces", ...NEEDS],
  `mixed load on a path that loses 5 % each way (${lengthName})`,
  () => {
    it("ends as in an unwatched twin: no live connection ended, no result changed, no rule defeated", {
      timeout: SETTINGS.forMs + 300_000,
    }, async () => {
      const result: Mixed = await measureMixed({ ...SETTINGS, loss: LOSS });
      console.log(tables(result));

      expect(result.ended, "live connections ended by the watch").toEqual([]);
      expect(result.lost).toEqual([]);
      expect(result.differences).toEqual([]);
      expect(result.defeated).toEqual([]);
      expect(result.unfinished).toEqual([]);

      // It was hard enough
      const { passed, lost } = result.packets;
      expect(lost / (passed + lost)).toBeGreaterThan(LOSS / 2);
      expect(result.suspicions).toBeGreaterThan(0);
      for (const { lane, compared } of result.lanes) expect(compared, lane).toBeGreaterThan(0);
      for (const client of TAKES_LONG) {
        const { longestMs } = result.lanes.find(({ lane }) => lane === client) ?? {};
        expect(longestMs, client).toBeGreaterThanOrEqual(LONGEST_BUDGETS * result.detectWithinMs);
      }
      expect(result.rules.map(({ rule }) => rule).sort()).toEqual([
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
        "idle_transaction_timeout",
        "timeout",
        "timeout",
        "wait_timeout",
      ]);
      for (const { lane, watched, alone } of result.rules)
        for (const { held } of [watched, alone]) expect(held, lane).toBeGreaterThan(0);
    });
  },
);
