import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { World } from "../../src/lab/world.ts";
import { listening } from "../heartbeat/servers.mjs";
import { describeWith } from "../setup/requires.ts";

const AUTO = new URL("../../dist/auto/index.js", import.meta.url).pathname;
const BUDGET_MS = 3000;
const PROGRAM = new URL("got-program.mjs", import.meta.url).pathname;

/** Returns what a program with got says of one request, in which the cable is out for 6 s. */
async function requestInAnOutage(env: Record<string, string>): Promise<unknown> {
  await using world = await World.open();
  const network = await world.network();
  const service = await network.spawn("right", [process.execPath, PROGRAM, "serve"]);
  const asked = new Promise<void>((resolve) => service.onLine(() => resolve()));
  await listening(network, 8081);
  const argv = [process.execPath, "--import", AUTO, PROGRAM, network.address("right")];
  const program = await network.spawn("left", argv, {
    env: { HALFOPEN_DETECT_WITHIN: `${BUDGET_MS}ms`, ...env },
  });
  const said = new Promise<string>((resolve) => program.onLine(resolve));

  await asked;
  await sleep(4000); // it was seen to answer probes
  await network.pullCable();
  await sleep(2 * BUDGET_MS);
  await network.plugCable();
  return JSON.parse(await said);
}

await describeWith(["root", "namespaces"], "got (`retry`) under halfopen/auto", () => {
  it.concurrent("repeats a request whose peer died, and gets the answer", {
    timeout: 60_000,
  }, async () => {
    expect(await requestInAnOutage({})).toEqual({ body: "ok", retryCount: 1 });
  });

  it.concurrent("gives it up with a code that it does not know", { timeout: 60_000 }, async () => {
    const env = { HALFOPEN_ERROR_CODE: "ERR_PEER_DEAD" };
    expect(await requestInAnOutage(env)).toEqual({ code: "ERR_PEER_DEAD" });
  });
});
