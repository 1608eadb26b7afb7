import { fork } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, it } from "vitest";

const AUTO = new URL("../../dist/auto/index.js", import.meta.url).href;
const RECEIVER = new URL("../watch/receiver.mjs", import.meta.url).pathname;

it.each([
  ["on", true],
  ["off", false],
])(
  "a socket that the parent process accepted and sent is watched under halfopen/auto, with HALFOPEN_SERVER %s: %s",
  async (server, isWatched) => {
    const accepting = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
    await once(accepting, "listening");
    const child = fork(RECEIVER, {
      execArgv: ["--import", AUTO],
      env: { ...process.env, HALFOPEN_SERVER: server },
    });
    const client = connect((accepting.address() as AddressInfo).port, "127.0.0.1").on(
      "error",
      () => {},
    );
    const [socket] = (await once(accepting, "connection")) as [Socket];
    child.send("yours", socket);
    const [[isKeepaliveOn, idleMs]] = (await once(child, "message")) as [[boolean, number]];
    expect({ isKeepaliveOn, isIdleShort: idleMs < 10_000 }).toEqual({
      isKeepaliveOn: isWatched,
      isIdleShort: isWatched,
    });
    client.destroy();
    child.disconnect();
    const [code] = await once(child, "exit"); // halfopen keeps no process alive
    expect(code).toBe(0);
    accepting.close();
  },
);
