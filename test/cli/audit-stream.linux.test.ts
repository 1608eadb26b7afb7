import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
/** With both ends some 400 KB of JSON: more than a pipe holds. */
const CONNECTIONS = 300;

describe.runIf(process.platform === "linux")("halfopen audit --json", () => {
  const held: Socket[] = [];
  const server = createServer((socket) => held.push(socket));
  let port = 0;

  beforeAll(async () => {
    await once(server.listen(0, "127.0.0.1", CONNECTIONS), "listening");
    port = (server.address() as { port: number }).port;
    for (let i = 0; i < CONNECTIONS; i++) held.push(connect(port, "127.0.0.1"));
    while (held.length < 2 * CONNECTIONS) await sleep(10);
  });
  afterAll(() => {
    for (const socket of held) socket.destroy();
    server.close();
  });

  const audit = (...more: string[]) =>
    spawn(process.execPath, [MAIN, "audit", "--json", "--port", String(port), ...more], {
      stdio: ["ignore", "pipe", "pipe"],
    });

  it("waits for a reader that does not read, and loses nothing", async () => {
    const child = audit();
    await sleep(2500);
    expect(child.exitCode).toBeNull();
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += String(chunk);
    });
    await once(child, "close");
    expect(Buffer.byteLength(text)).toBeGreaterThan(200_000);
    const { connections, summary } = JSON.parse(text);
    expect(connections.length).toBe(2 * CONNECTIONS);
    expect(summary.connections).toBe(2 * CONNECTIONS);
  });

  it("ends without a word when its reader leaves", async () => {
    const child = audit();
    let errors = "";
    child.stderr.on("data", (chunk) => {
      errors += String(chunk);
    });
    await once(child.stdout, "data");
    child.stdout.destroy();
    const [code, signal] = await once(child, "close");
    expect({ code, signal, errors }).toEqual({ code: 0, signal: null, errors: "" });
  });

  it("prints the fields that were asked for, and refuses others with exit code 2", async () => {
    const child = audit("--fields", "remote,process,cgroup,noticeMs,keepalive");
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += String(chunk);
    });
    await once(child, "close");
    const { connections } = JSON.parse(text);
    expect(connections.length).toBe(2 * CONNECTIONS);
    const fields = ["remote", "process", "cgroup", "noticeMs", "keepalive"];
    for (const connection of connections) {
      expect(Object.keys(connection)).toEqual(fields);
      expect(connection.keepalive).toEqual({ enabled: false, idleMs: 0, intervalMs: 0, count: 0 });
    }
    expect(Buffer.byteLength(text)).toBeLessThan(200_000);

    const wrong = audit("--fields", "remote,proces");
    let errors = "";
    wrong.stderr.on("data", (chunk) => {
      errors += String(chunk);
    });
    const [code] = await once(wrong, "close");
    expect(code).toBe(2);
    expect(errors).toContain('unknown field "proces"; did you mean "process"?');
  });
});
