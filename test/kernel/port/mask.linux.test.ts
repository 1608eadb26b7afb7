import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const run = promisify(execFile);
const INDEX = new URL("../../../dist/index.js", import.meta.url).href;

/** Prints what a program finds out, and can do, on a system without the masked features. */
const PROGRAM = `
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { capabilities, nudge, readTcpInfo, setKeepalive, setUserTimeout, watch } from "${INDEX}";
const server = createServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
await once(server, "listening");
const client = connect(server.address().port, "127.0.0.1");
await once(client, "connect");
const code = async (action) => { try { await action(); return null; } catch (error) { return error.code; } };
const w = watch(client, { detectWithinMs: 12_000 });
const { level, rtoMaxMs, keepalive, notes } = w.applied;
const quick = watch(connect(server.address().port, "127.0.0.1"), { detectWithinMs: 2500 });
const said = [];
for (const event of ["suspect", "dead"]) quick.on(event, () => said.push(event));
await new Promise((resolve) => setTimeout(resolve, Number(process.argv[1])));
const readable = await code(() => readTcpInfo(client));
const told = {
  capabilities: capabilities(), said, level, rtoMaxMs, keepalive, notes, state: w.state,
  tcpInfo: readable, nudge: await code(() => nudge(client)),
  fields: Object.values(readable ? {} : readTcpInfo(client)).filter((value) => value !== undefined).length,
  setKeepalive: await code(() => setKeepalive(client, { idleMs: 1000, intervalMs: 1000, count: 3 })),
  setUserTimeout: await code(() => setUserTimeout(client, 1000)),
  halfASecond: await code(() => watch(client, { detectWithinMs: 500, heartbeat: async () => {} })),
};
console.log(JSON.stringify(told));
process.exit(0);
`;

// biome-ignore lint/suspicious/noExplicitAny: what a foreign process printed
async function under(mask: string, afterMs = 0): Promise<any> {
  const env = { ...process.env, HALFOPEN_MASK: mask };
  return JSON.parse(
    (await run(process.execPath, ["--input-type=module", "-e", PROGRAM, `${afterMs}`], { env }))
      .stdout,
  );
}

it.concurrent("with nothing masked every feature is available", async () => {
  const told = await under("");
  expect(told).toMatchObject({
    level: "kernel",
    tcpInfo: null,
    nudge: null,
    setKeepalive: null,
    setUserTimeout: null,
    halfASecond: null,
  });
  for (const name of ["keepalive", "userTimeout", "tcpInfo", "nudge", "shortBudgets", "localPath"])
    expect(told.capabilities[name]).toMatchObject({ available: true, why: null });
});

it.concurrent("without a native back-end a socket is watched at the lower level, and each loss is reported", async () => {
  const told = await under("ffi");
  expect(told).toMatchObject({
    state: "alive",
    tcpInfo: "ERR_NOT_SUPPORTED",
    nudge: "ERR_NOT_SUPPORTED",
  });
  expect(told.level).not.toBe("kernel");
  expect(told).toMatchObject({
    setKeepalive: "ERR_NOT_SUPPORTED",
    setUserTimeout: "ERR_NOT_SUPPORTED",
  });
  expect(told.notes.length).toBeGreaterThan(0);
  expect(told.capabilities.backEnd).toBeNull();
  expect(told.halfASecond).toBe("ERR_OPTION_RANGE");
  const lost = [
    "keepalive",
    "userTimeout",
    "tcpInfo",
    "nudge",
    "rtoMax",
    "localPath",
    "shortBudgets",
  ];
  for (const name of lost)
    expect(told.capabilities[name]).toMatchObject({
      available: false,
      why: expect.stringMatching(/HALFOPEN_MASK=ffi.*: .+/),
    });
});

it.concurrent("a missing back-end is reported together with the failure of the other one", async () => {
  const { capabilities } = await under("koffi,node:ffi");
  expect(capabilities.backEnd).toBeNull();
  expect(capabilities.tcpInfo.why).toMatch(/koffi.*node:ffi/);
});

it.concurrent("without TCP_RTO_MAX_MS no cap is claimed, and its cost is reported", async () => {
  const told = await under("rto-max");
  expect(told).toMatchObject({ level: "kernel", rtoMaxMs: null, tcpInfo: null });
  expect(told.notes.join()).toMatch(/TCP_RTO_MAX_MS/);
  expect(told.capabilities.rtoMax).toMatchObject({
    available: false,
    why: expect.stringContaining("blocked"),
  });
});

it.concurrent("a TCP_INFO of 104 bytes has fewer fields, and still enough", async () => {
  const [whole, short] = await Promise.all([under(""), under("tcp-info=104")]);
  expect(short).toMatchObject({ level: "kernel", tcpInfo: null, nudge: null });
  expect(short.halfASecond).toBe("ERR_OPTION_RANGE");
  expect(short.capabilities.shortBudgets).toMatchObject({
    available: false,
    why: expect.stringContaining("4.6"),
  });
  expect(short.fields).toBeGreaterThan(10);
  expect(short.fields).toBeLessThan(whole.fields);
});

it.concurrent("a TCP_INFO too short for a judgement, as under qemu-user, is not used: no live peer looks silent", async () => {
  const told = await under("tcp-info=4", 4000);
  expect(told).toMatchObject({
    level: "keepalive",
    state: "alive",
    said: [],
    setKeepalive: null,
    setUserTimeout: null,
  });
  expect(told).toMatchObject({ tcpInfo: "ERR_NOT_SUPPORTED", nudge: "ERR_NOT_SUPPORTED" });
  expect(told.notes.join()).toMatch(/passes on 4 bytes of struct tcp_info/);
  for (const name of ["tcpInfo", "nudge"])
    expect(told.capabilities[name]).toMatchObject({
      available: false,
      why: expect.stringMatching(/4 bytes of struct tcp_info.*: .+/),
    });
  for (const name of ["keepalive", "userTimeout", "localPath"])
    expect(told.capabilities[name]).toMatchObject({ available: true });
});

it.concurrent("a TCP_INFO of zeros, as in gVisor, is not used: the lower level is told, and no live peer looks silent", async () => {
  const told = await under("tcp-info-zeros,rto-max", 4000);
  expect(told).toMatchObject({
    level: "keepalive",
    rtoMaxMs: null,
    state: "alive",
    said: [],
    tcpInfo: "ERR_NOT_SUPPORTED",
    nudge: "ERR_NOT_SUPPORTED",
    setKeepalive: null,
    setUserTimeout: null,
  });
  expect(told.notes.join()).toMatch(/does not follow a connection: .*lastAckReceivedMs/);
  for (const name of ["tcpInfo", "nudge"])
    expect(told.capabilities[name]).toMatchObject({
      available: false,
      why: expect.stringMatching(/does not follow a connection: .*unackedSegments.*: .+/),
    });
});
