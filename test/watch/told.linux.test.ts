import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import {
  DeadPeerError,
  type Diagnosis,
  HalfOpenError,
  watch,
  watchServer,
} from "../../src/index.ts";
import { groups } from "../../src/watch/membership.ts";
import { loopbackPair, type Pair } from "./loopback.ts";

let pair: Pair | undefined;
afterEach(async () => {
  await pair?.dispose();
  pair = undefined;
});

it("a connection that ends by a reset is not counted among the others to its peer", async () => {
  pair = await loopbackPair();
  await using other = await loopbackPair();
  const watched = [pair, other].map(({ client }) => watch(client.resume()));
  const dead = once(watched[0] as (typeof watched)[number], "dead") as Promise<[Diagnosis]>;
  pair.accepted.resetAndDestroy();
  const [{ evidence }] = await dead;
  expect(evidence.others).toMatchObject({ samePeer: { silent: 0 } });
  watched[1]?.close();
});

describe("the signal of a watch", () => {
  it("aborts with the DeadPeerError, and has the same reason when first read later", async () => {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    const w = watch(client.resume(), { label: "db" });
    const { signal } = w;
    const closing = once(w, "close");
    accepted.resetAndDestroy();
    await closing;
    expect(() => signal.throwIfAborted()).toThrow(DeadPeerError);
    expect((signal.reason as DeadPeerError).diagnosis).toMatchObject({
      cause: "peer-reset",
      label: "db",
    });
    expect(w.signal.reason).toBe(signal.reason);
  });

  it("aborts with an Error when the socket closes in order", async () => {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    const early = watch(client.resume());
    const late = watch(client);
    const { signal } = early;
    accepted.end();
    await once(late, "close");
    for (const { reason } of [signal, early.signal, late.signal]) {
      expect(reason).toBeInstanceOf(HalfOpenError);
      expect(reason).toMatchObject({
        code: "ERR_NOT_CONNECTED",
        message: expect.stringContaining("closed-by-peer"),
      });
    }
  });

  it("aborts when the watch is closed, whether it was read before or after", async () => {
    pair = await loopbackPair();
    const w = watch(pair.client);
    const { signal } = w;
    const unseen = watch(pair.client);
    for (const one of [w, unseen]) one.close();
    for (const { aborted, reason } of [signal, w.signal, unseen.signal]) {
      expect(reason).toBeInstanceOf(Error);
      expect({ aborted, name: reason.name }).toEqual({ aborted: true, name: "AbortError" });
    }
    await expect(fetch("http://127.0.0.1:1/", { signal })).rejects.toThrow(
      "the watch of this connection was closed",
    );
  });
});

describe("two watches of one socket", () => {
  it("each put their own label in every event and diagnosis", async () => {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    const watches = [
      watch(client.resume(), { label: "first" }),
      watch(client),
      watch(client, { label: "third" }),
    ];
    expect(watches.map((w) => w.diagnosis.label)).toEqual(["first", null, "third"]);
    const told = Promise.all(watches.map((w) => once(w, "dead"))) as Promise<[Diagnosis][]>;
    accepted.resetAndDestroy();
    expect((await told).map(([{ label }]) => label)).toEqual(["first", null, "third"]);
    expect(watches.map((w) => (w.signal.reason as DeadPeerError).diagnosis.label)).toEqual([
      "first",
      null,
      "third",
    ]);
  });

  it("yield diagnoses with the server's label from the server's list", async () => {
    const server = createServer((socket) => watch(socket, { label: "mine" }));
    const w = watchServer(server, { label: "api" });
    pair = await loopbackPair({ server });
    expect([...w].map((one) => one.diagnose().label)).toEqual(["api"]);
    w.close();
  });

  it("count a connection once although watches join and leave during a suspicion", async () => {
    pair = await loopbackPair();
    const { client } = pair;
    let answer: (() => void) | undefined;
    const heartbeat = () =>
      new Promise<void>((resolve) => {
        if (!answer) resolve();
        answer = resolve;
      });
    const w = watch(client, { detectWithinMs: 2500, heartbeat, expect: "host" });
    const other = watch(pair.accepted, { detectWithinMs: 2500 });
    await once(w, "suspect");
    const second = watch(client, { detectWithinMs: 4000, zeroWindowToleranceMs: 90_000 });
    expect(w.state).toBe("suspect");
    second.close();
    const calm = once(w, "alive");
    answer?.();
    await calm;
    expect(other.diagnosis.evidence.others).toMatchObject({
      sameRoute: { silent: 0 },
      samePeer: { silent: 0 },
    });
    expect(groups.silent).toBe(0);
    w.close();
    other.close();
    expect(groups).toMatchObject({ size: 0, silent: 0 });
  });
});

describe("the iterator of a watch", () => {
  it("yields a verdict given before the iteration began", async () => {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    const w = watch(client.resume(), { label: "db" });
    accepted.resetAndDestroy();
    await once(w, "close");
    const seen: string[] = [];
    for await (const { cause, label } of w) seen.push(`${label} ${cause}`);
    expect(seen).toEqual(["db peer-reset"]);
  });

  it("yields only once a verdict given while it waits", async () => {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    const w = watch(client.resume());
    setTimeout(() => accepted.resetAndDestroy(), 30);
    const seen: string[] = [];
    for await (const { cause } of w) seen.push(cause);
    expect(seen).toEqual(["peer-reset"]);
    await sleep(10);
  });
});

describe("the error of a dead peer", () => {
  const diagnosis = {
    state: "dead",
    certainty: "certain",
    why: ["eth0 is down"],
    remote: "10.0.0.1:80",
  };

  it.each(["local-link-down", "local-send-failure"])("does not blame the peer for %s", (cause) => {
    const error = new DeadPeerError({ ...diagnosis, cause } as never);
    expect(error).toMatchObject({
      isLocal: true,
      message: `the connection to 10.0.0.1:80 is lost: ${cause}; eth0 is down`,
    });
  });

  it.each(["path-silent", "peer-hung", "peer-reset", "unreachable"])(
    "names the peer for %s",
    (cause) => {
      const error = new DeadPeerError({ ...diagnosis, cause } as never);
      expect(error).toMatchObject({
        isLocal: false,
        message: `peer 10.0.0.1:80 is dead: ${cause}; eth0 is down`,
      });
    },
  );
});
