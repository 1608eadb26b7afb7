import { once } from "node:events";
import { connect, createServer, type ServerHttp2Session } from "node:http2";
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createRelay,
  type Socket,
} from "node:net";
import { expect, it } from "vitest";
import { watchHttp2 } from "../../../src/heartbeat/index.ts";

const BUDGET_MS = 2500;
const IDLE_MS = 1800;
const GRACE_MS = 500;

it("the watch of an HTTP/2 session puts the idle timeout of neither end off", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = once(server, "session") as Promise<[ServerHttp2Session]>;
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [[peer]] = await Promise.all([accepted, once(client, "connect")]);
  const watches = [client, peer].map((one) => watchHttp2(one, { detectWithinMs: BUDGET_MS }));

  const setAt = performance.now();
  const idle = [client, peer].map(
    (one) =>
      new Promise<number>((resolve) =>
        one.setTimeout(IDLE_MS, () => resolve(performance.now() - setAt)),
      ),
  );
  for (const afterMs of await Promise.all(idle)) expect(afterMs).toBeLessThan(IDLE_MS + GRACE_MS);
  // Both are watched still; an answer may come within the same millisecond
  for (const { current } of watches) expect(current?.rttMs).toBeGreaterThanOrEqual(0);
  for (const watch of watches) watch.close();
  client.destroy();
  server.close();
});

it("a reset that ends a live HTTP/2 session is the peer's, although the session ends with it", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const relay = createRelay((socket) => {
    const onward = connectTcp((server.address() as AddressInfo).port, "127.0.0.1");
    for (const one of [socket, onward]) one.on("error", () => {});
    socket.pipe(onward).pipe(socket);
  }).listen(0, "127.0.0.1");
  await once(relay, "listening");
  const relaying = once(relay, "connection") as Promise<[Socket]>;
  const session = connect(`http://127.0.0.1:${(relay.address() as AddressInfo).port}`);
  session.on("error", () => {});
  await once(session, "remoteSettings");
  const watch = watchHttp2(session, { detectWithinMs: BUDGET_MS });
  const dying = once(watch, "dead");
  await new Promise((answered) => session.ping(answered));
  (await relaying)[0].resetAndDestroy();
  expect((await dying)[0].cause).toBe("peer-reset");
  relay.close();
  server.close();
});
