import { expect, it } from "vitest";
import type { Diagnosis } from "../../src/core/diagnosis.ts";
import type { GuardEvent } from "../../src/guard/event.ts";
import { GuardLog } from "../../src/guard/guard-log.ts";
import type { Guarded } from "../../src/guard/guarded.ts";
import type { GuardWorld } from "../../src/guard/world.ts";

it("writes a topic of a connection once, and gathers evidence only for what it writes", () => {
  const events: GuardEvent[] = [];
  const log = new GuardLog({} as GuardWorld, (event) => events.push(event));
  const connection = { said: new Set(), by: { rule: { name: "all" } } } as unknown as Guarded;
  let gathered = 0;
  const diagnose = (): Diagnosis => {
    gathered++;
    return { state: "suspect" } as Diagnosis;
  };

  for (const topic of ["hold", "hold", "end"])
    log.once(connection, topic, { action: "hold", reason: topic, diagnose });

  expect(events.map(({ reason }) => reason)).toEqual(["hold", "end"]);
  expect(events[0]).toMatchObject({ rule: "all", before: null, diagnosis: { state: "suspect" } });
  expect(gathered).toBe(2);
});
