import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { watch } from "../../src/index.ts";
import { loopbackPair } from "./loopback.ts";

/** How many timers keep this process alive, once what runs now has come to rest. */
async function timers(): Promise<number> {
  await sleep(50);
  await new Promise((resolve) => setImmediate(resolve)); // the timer that ended the sleep still counts while it is run
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}

// A file of its own: the engine of the event loop has not armed its timer before.
it("a watch keeps no process alive", async () => {
  await using pair = await loopbackPair();
  const before = await timers();
  using _ = watch(pair.client, { heartbeat: () => new Promise(() => {}), expect: "host" });
  expect(await timers()).toBe(before);
});
