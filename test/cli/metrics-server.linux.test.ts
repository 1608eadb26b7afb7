import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type IncomingMessage, request, type Server } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { UsageError } from "../../src/cli/command.ts";
import { serveMetrics } from "../../src/cli/metrics-server.ts";

const folder = mkdtempSync(join(tmpdir(), "halfopen-metrics-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let names = 0;
const newPath = (): string => join(folder, `at-${names++}`);

/** Leaves a socket behind, as a killed server does. */
async function leaveSocket(
  path: string,
  kind: "SOCK_STREAM" | "SOCK_DGRAM" = "SOCK_STREAM",
): Promise<void> {
  execFileSync("python3", [
    "-c",
    `import socket,sys; s=socket.socket(socket.AF_UNIX, socket.${kind}); s.bind(sys.argv[1])`,
    path,
  ]);
}

async function refusal(path: string): Promise<string> {
  const served = serveMetrics(path, () => "metrics\n");
  const error: unknown = await served.then(
    (server) => server.close(),
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(UsageError);
  return (error as UsageError).message;
}

async function asked(
  server: Server,
  options: { method?: string; host?: string; path?: string },
): Promise<[number | undefined, string]> {
  const address = server.address() as AddressInfo | string;
  const where =
    typeof address === "string"
      ? { socketPath: address }
      : { host: address.address, port: address.port };
  const { method = "GET", host, path = "/metrics" } = options;
  const asking = request({
    ...where,
    method,
    path,
    ...(host === undefined ? {} : { headers: { host } }),
  }).end();
  const [response] = (await once(asking, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  expect(response.headers["access-control-allow-origin"]).toBeUndefined();
  return [response.statusCode, text];
}

describe.runIf(process.platform === "linux")("the path of the metrics socket", () => {
  it("is cleared of a socket that a killed server left behind", async () => {
    const path = newPath();
    await leaveSocket(path);
    const server = await serveMetrics(path, () => "metrics\n");
    expect(await asked(server, {})).toEqual([200, "metrics\n"]);
    server.close();
  });

  it("keeps a file and its content", async () => {
    const path = newPath();
    writeFileSync(path, "precious");
    expect(await refusal(path)).toContain(`${path} is a file and is not removed`);
    expect(readFileSync(path, "utf8")).toBe("precious");
  });

  it("keeps a folder, a FIFO, a device, and links to a file, a socket or nothing", async () => {
    const [fifo, directory, file, socket] = [newPath(), newPath(), newPath(), newPath()];
    execFileSync("python3", ["-c", "import os,sys; os.mkfifo(sys.argv[1])", fifo]);
    mkdirSync(directory);
    writeFileSync(file, "precious");
    await leaveSocket(socket);
    const links = [file, socket, join(folder, "nothing")].map((target) => {
      const link = newPath();
      symlinkSync(target, link);
      return link;
    });
    expect(await refusal(fifo)).toContain("is a FIFO");
    expect(await refusal(directory)).toContain("is a folder");
    for (const link of links) expect(await refusal(link)).toContain("is a symbolic link");
    for (const path of [fifo, directory, file, socket, ...links])
      expect(() => lstatSync(path), path).not.toThrow();
    expect(await refusal("/dev/null")).toContain("/dev/null is a device");
  });

  it("keeps the stream or datagram socket of a running server", async () => {
    const [stream, datagram] = [newPath(), newPath()];
    const other = createServer(() => {}).listen(stream);
    await once(other, "listening");
    expect(await refusal(stream)).toContain("the socket of a server that is running");
    const holder = spawn("python3", [
      "-c",
      "import socket,sys\ns=socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); print(1, flush=True); sys.stdin.read()",
      datagram,
    ]);
    await once(holder.stdout, "data");
    expect(await refusal(datagram)).toMatch(/does not take a connection \(EPROTOTYPE\)/);
    holder.stdin.end();
    for (const path of [stream, datagram]) expect(lstatSync(path).isSocket()).toBe(true);
    other.close();
  });

  it.runIf(process.geteuid?.() === 0)("keeps another user's socket, stale or not", async () => {
    const path = newPath();
    await leaveSocket(path);
    chownSync(path, 65_534, 65_534);
    expect(await refusal(path)).toContain("a socket of the user 65534");
    expect(lstatSync(path).isSocket()).toBe(true);
  });

  it("is refused when it is neither a path nor a port of the loopback", async () => {
    for (const where of [
      "0.0.0.0:9555",
      "127.0.0.1:0",
      "127.0.0.1:99999",
      "relative.sock",
      "",
      `/tmp/\u009b2J`.slice(1),
    ])
      expect(await refusal(where)).toContain("--metrics takes a path");
    expect(await refusal(join(folder, "missing", "x.sock"))).toMatch(/--metrics .*: listen /);
    writeFileSync(join(folder, "plain"), "");
    expect(await refusal(join(folder, "plain", "x.sock"))).toContain("cannot be examined");
  });
});

describe("metrics on the loopback", () => {
  const serve = async (host: string): Promise<Server> => {
    const probe = createServer().listen(0, host === "[::1]" ? "::1" : "127.0.0.1");
    await once(probe, "listening");
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    return serveMetrics(`${host}:${port}`, () => "metrics\n");
  };

  it("are served to requests for any name of this host", async () => {
    for (const host of ["127.0.0.1", "[::1]", "localhost"]) {
      const server = await serve(host);
      for (const name of ["localhost", "LocalHost:9555", "127.0.0.1", "127.0.0.1:1", "[::1]:9555"])
        expect(await asked(server, { host: name }), name).toEqual([200, "metrics\n"]);
      server.close();
    }
  });

  it("are refused to a page whose name resolves to this host (DNS rebinding)", async () => {
    const server = await serve("127.0.0.1");
    for (const name of [
      "evil.example",
      "evil.example:9555",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "x@localhost",
    ]) {
      const [status, text] = await asked(server, { host: name });
      expect(status, name).toBe(403);
      expect(text).not.toContain("metrics\n");
    }
    server.close();
  });

  it("are read-only", async () => {
    const server = await serve("127.0.0.1");
    expect(await asked(server, { method: "HEAD" })).toEqual([200, ""]);
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"])
      expect((await asked(server, { method }))[0]).toBe(405);
    expect((await asked(server, { path: "/elsewhere" }))[0]).toBe(404);
    server.close();
  });
});
