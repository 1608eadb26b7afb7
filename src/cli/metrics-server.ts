import { once } from "node:events";
import { unlinkSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { UsageError } from "./command.ts";

const LOOPBACK = /^(?:127\.0\.0\.1|\[::1\]|localhost):(\d{1,5})$/;
const HOSTS: Readonly<Record<string, string>> = { "127": "127.0.0.1", "[::": "::1", loc: "127.0.0.1" };

/** Where metrics can be fetched: a Unix socket's path, or a port of the loopback. Never further: what they tell is the machine's own. */
export async function serveMetrics(where: string, text: () => string): Promise<Server> {
  const server = createServer((request, response) => {
    const isMetrics = request.url === "/metrics" || request.url === "/";
    response.writeHead(isMetrics ? 200 : 404, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
    response.end(isMetrics ? text() : "metrics are at /metrics\n");
  });
  const port = LOOPBACK.exec(where)?.[1];
  if (port !== undefined) server.listen(Number(port), HOSTS[where.slice(0, 3)]);
  else if (where.startsWith("/")) {
    await removeStale(where);
    server.listen(where);
  } else throw new UsageError(`--metrics takes a path (/run/halfopen.sock) or a port of the loopback (127.0.0.1:9555), got ${where}`);
  try {
    await once(server, "listening");
  } catch (error) {
    throw new UsageError(`--metrics ${where}: ${(error as Error).message}`);
  }
  server.unref();
  return server;
}

/** A guard that was killed leaves its socket behind. One that still answers is somebody else's. */
async function removeStale(path: string): Promise<void> {
  const probe = connect(path);
  try {
    await once(probe, "connect");
    probe.destroy();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED") unlinkSync(path);
  }
}
