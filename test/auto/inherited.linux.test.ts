import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { describe, expect, it } from "vitest";

const AUTO = new URL("../../dist/auto/index.js", import.meta.url).href;
const PROGRAM = new URL("inherited.mjs", import.meta.url).pathname;

/** Runs a program with `given` as descriptor `fd`, and returns what it reports on descriptor 4. */
async function reported(
  name: string,
  given: Socket | number,
  fd = 3,
  env: Record<string, string> = {},
): Promise<unknown> {
  const stdio: ("ignore" | "inherit" | "pipe" | Socket | number)[] = [
    "ignore",
    "ignore",
    "inherit",
    "ignore",
    "pipe",
  ];
  stdio[fd] = given;
  const child = spawn(process.execPath, ["--import", AUTO, PROGRAM, name], {
    stdio,
    env: { ...process.env, ...env },
  });
  let text = "";
  for await (const chunk of child.stdio[4] as Socket) text += chunk;
  return text === "" ? null : JSON.parse(text);
}

/** What systemd does with Accept=yes: the service gets the connection that was accepted. */
async function withAccepted(
  use: (accepted: Socket, client: Socket) => Promise<unknown>,
): Promise<unknown> {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  client.on("error", () => {});
  const [accepted] = (await once(server, "connection")) as [Socket];
  accepted.on("error", () => {});
  try {
    return await use(accepted, client);
  } finally {
    client.destroy();
    accepted.destroy();
    server.close();
  }
}

/** What systemd does with Accept=no: the service gets the socket that listens. */
async function withListening(name: string, open: (port: number) => Socket): Promise<unknown> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const result = reported(name, (server as Server & { _handle: { fd: number } })._handle.fd);
  server.close(); // the program has it now, and is alone to accept
  const client = open(port).on("error", () => {});
  try {
    return await result;
  } finally {
    client.destroy();
  }
}

function getOver(port: number): Socket {
  const client = connect(port, "127.0.0.1");
  client.write(REQUEST);
  return client;
}

function secureOver(port: number): Socket {
  return connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
}

const REQUEST = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

describe("halfopen/auto watches what a program inherits:", () => {
  it.concurrent.each([
    "a connection as descriptor 3",
    "a connection as descriptor 3, paused",
    "a connection by its number alone",
    "a connection with a handle of other code",
  ])("%s", async (name) => {
    expect(await withAccepted((accepted) => reported(name, accepted))).toBe(true);
  });

  it.concurrent("a connection given to an http server", async () => {
    const result = await withAccepted((accepted, client) => {
      client.write(REQUEST);
      return reported("a connection given to an http server", accepted);
    });
    expect(result).toBe(true);
  });

  it.concurrent("a connection under TLS", async () => {
    const result = await withAccepted((accepted, client) => {
      connectTls({ socket: client, rejectUnauthorized: false }).on("error", () => {});
      return reported("a connection under TLS", accepted);
    });
    expect(result).toBe(true);
  });

  it.concurrent.each([
    ["a listening socket as descriptor 3", (port: number) => connect(port, "127.0.0.1")],
    ["a listening socket of an http server", getOver],
    ["a listening socket of a TLS server", secureOver],
  ] as const)("%s", async (name, open) => expect(await withListening(name, open)).toBe(true));

  it.concurrent("a connection as standard input", async () => {
    expect(await withAccepted((accepted) => reported("standard input", accepted, 0))).toBe(true);
  });
});

describe("halfopen/auto leaves alone", () => {
  it.concurrent("standard output, from which nothing is read", async () => {
    const result = await withAccepted((accepted) => reported("standard output alone", accepted, 1));
    expect(result).toBe(false);
  });

  it.concurrent("an inherited connection, with HALFOPEN_SERVER off", async () => {
    const env = { HALFOPEN_SERVER: "off" };
    const result = await withAccepted((accepted) =>
      reported("a connection as descriptor 3", accepted, 3, env),
    );
    expect(result).toBe(false);
  });
});
