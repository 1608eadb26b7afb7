import { spawn } from "node:child_process";
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, credentials, Server, ServerCredentials } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { watchGrpc, watchHttp2 } from "../../../src/heartbeat/index.ts";
import { describeWith } from "../../setup/requires.ts";
import { SERVERS } from "../servers.mjs";

/** Sends a heartbeat after one second of silence. */
const BUDGET_MS = 2500;
const ENHANCE_YOUR_CALM = 11;

async function serve(address: string): Promise<{ server: Server; port: number }> {
  const server = new Server();
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return { server, port };
}

function ready(client: Client): Promise<void> {
  return new Promise((resolve, reject) =>
    client.waitForReady(Date.now() + 5000, (error) => (error ? reject(error) : resolve())),
  );
}

describe("the watch of a gRPC client", () => {
  it("refuses an object that is no client of @grpc/grpc-js", () => {
    expect(() => watchGrpc({ getChannel: () => ({}) })).toThrow(
      expect.objectContaining({ code: "ERR_NOT_SUPPORTED" }),
    );
  });

  it("sees every connection of its channel, and no more after its end", async () => {
    const first = await serve("127.0.0.1:0");
    const second = await serve(`127.0.0.2:${first.port}`);
    const target = `ipv4:127.0.0.1:${first.port},127.0.0.2:${first.port}`;
    const client = new Client(target, credentials.createInsecure(), {
      "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    });
    const watch = watchGrpc(client, { detectWithinMs: BUDGET_MS });
    const lost: (string | null)[] = [];
    watch.on("close", (diagnosis) => lost.push(diagnosis.remote));
    await ready(client);
    await sleep(300); // the second connection
    second.server.forceShutdown();
    await expect.poll(() => lost).toEqual([`127.0.0.2:${first.port}`]);
    const again = await serve(`127.0.0.2:${first.port}`);
    await expect
      .poll(() => watch.current?.diagnosis.remote, { timeout: 5000 })
      .toBe(`127.0.0.2:${first.port}`);
    watch.close();
    again.server.forceShutdown();
    first.server.forceShutdown();
    await sleep(100);
    expect(lost).toHaveLength(1);
    expect(watch.current).toBeNull();
    client.close();
  });

  it("goes on when another watch of the same client, begun before it, ends", async () => {
    const { server, port } = await serve("127.0.0.1:0");
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    const first = watchGrpc(client);
    const second = watchGrpc(client);
    first.close();
    await ready(client);
    await expect.poll(() => second.current?.state).toBe("alive");
    expect(first.current).toBeNull();
    second.close();
    client.close();
    server.forceShutdown();
  });
});

await describeWith([SERVERS["grpc-core"].needs], "a server on gRPC's C core", () => {
  it("accepts any number of heartbeats from a watched channel or session, and ends a client that uses PING", {
    timeout: 20_000,
  }, async () => {
    const process = spawn(
      "/usr/bin/python3",
      [new URL("../grpc-core-server.py", import.meta.url).pathname, "0"],
      {
        stdio: ["pipe", "pipe", "inherit"],
      },
    );
    try {
      const [line] = await once(process.stdout, "data");
      const address = `127.0.0.1:${Number(line)}`;
      const client = new Client(address, credentials.createInsecure());
      let asked = 0;
      const watch = watchGrpc(client, { detectWithinMs: BUDGET_MS, canAsk: () => ++asked > 0 });
      const ends: string[] = [];
      watch
        .on("suspect", ({ cause }) => ends.push(cause))
        .on("close", ({ cause }) => ends.push(cause));
      await ready(client);

      const sessions = [1, 2].map(() => connectHttp2(`http://${address}`).on("error", () => {}));
      const [session, pinged] = sessions as [ClientHttp2Session, ClientHttp2Session];
      await Promise.all(sessions.map((one) => once(one, "connect")));
      const watched = watchHttp2(session, { detectWithinMs: BUDGET_MS });
      watched.on("close", ({ cause }) => ends.push(cause));

      const pinging = setInterval(() => pinged.ping(() => {}), 0.4 * BUDGET_MS);
      const [code, , data] = await once(pinged, "goaway");
      clearInterval(pinging);
      expect({ code, data: String(data) }).toEqual({
        code: ENHANCE_YOUR_CALM,
        data: "too_many_pings",
      });

      await sleep(3000);
      expect(asked).toBeGreaterThanOrEqual(6);
      expect(ends).toEqual([]);
      expect([watch, watched].map(({ current }) => current?.state)).toEqual(["alive", "alive"]);
      watched.close();
      session.destroy();
      watch.close();
      client.close();
    } finally {
      process.kill();
    }
  });
});
