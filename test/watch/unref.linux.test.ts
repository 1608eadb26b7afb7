import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const INDEX = new URL("../../dist/index.js", import.meta.url).href;

/** A program that holds nothing but a watch: its sockets are let go. */
const PROGRAM = `
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { watch } from "${INDEX}";
const server = createServer((socket) => socket.unref()).listen(0, "127.0.0.1");
await once(server, "listening");
const client = connect(server.address().port, "127.0.0.1");
await once(client, "connect");
const w = watch(client, { detectWithinMs: 2500, heartbeat: () => new Promise(() => {}), expect: "host" });
client.unref();
server.unref();
console.log(w.applied.level);
`;

it("a watch keeps no process alive", async () => {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "-e", PROGRAM],
    { timeout: 10_000 },
  );
  expect(stdout).toBe("kernel\n");
});
