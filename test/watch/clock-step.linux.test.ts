import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it, vi } from "vitest";
import { watch } from "../../src/index.ts";
import { loopbackPair } from "./loopback.ts";

const HOUR_MS = 3_600_000;

afterEach(() => vi.restoreAllMocks());

it.each([
  ["an hour ahead", [HOUR_MS]],
  ["an hour back", [-HOUR_MS]],
  ["by two seconds again and again", [2000, 4000, 6000]],
])("a wall clock that is set %s is no pause of this process", async (_, steps) => {
  await using pair = await loopbackPair();
  const w = watch(pair.client, { detectWithinMs: 2500 });
  await sleep(1200);
  const now = Date.now;
  const causes = new Set<string>();
  for (const stepMs of steps) {
    vi.spyOn(Date, "now").mockImplementation(() => now() + stepMs);
    for (let passed = 0; passed < 1500; passed += 50) {
      await sleep(50);
      causes.add(w.diagnosis.cause);
    }
  }
  expect([...causes]).toEqual(["healthy"]);
  w.close();
});
