import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { UsageError } from "./command.ts";
import { removeStaleSocket } from "./stale-socket.ts";

const LOOPBACK = /^(127\.0\.0\.1|\[::1\]|localhost):(\d{1,5})$/;
const ADDRESSES: Readonly<Record<string, string>> = {
  "127.0.0.1": "127.0.0.1",
  "[::1]": "::1",
  localhost: "127.0.0.1",
};
/**
 * The names by which the loopback is asked for. A browser that was led here by another name (DNS
 * rebinding) sends that name.
 */
const OWN_NAME = /^(?:127\.0\.0\.1|\[::1\]|localhost)(?::\d+)?$/i;

/**
 * Where metrics can be fetched: a Unix socket's path, or a port of the loopback. Never further:
 * what they tell is the machine's own.
 */
export async function serveMetrics(where: string, text: () => string): Promise<Server> {
  const [, host, port] = LOOPBACK.exec(where) ?? [];
  if (host === undefined && !where.startsWith("/")) throw unusable(where);
  const server = metricsServer(text, host !== undefined);
  if (host === undefined) {
    await removeStaleSocket(where);
    server.listen(where);
  } else {
    if (!(Number(port) > 0 && Number(port) <= 65_535)) throw unusable(where);
    server.listen(Number(port), ADDRESSES[host]);
  }
  try {
    await once(server, "listening");
  } catch (error) {
    throw new UsageError(`--metrics ${where}: ${(error as Error).message}`);
  }
  server.unref();
  return server;
}

/** A Unix socket is guarded by its permissions, and whoever asks there sends any name. */
function metricsServer(text: () => string, checksHost: boolean): Server {
  return createServer(({ method, url, headers: { host } }, response) => {
    const answer = (status: number, body: string): void => {
      response
        .writeHead(status, { "content-type": "text/plain; version=0.0.4; charset=utf-8" })
        .end(body);
    };
    if (checksHost && !OWN_NAME.test(host ?? ""))
      answer(403, "metrics are for this host alone: ask for localhost\n");
    else if (method !== "GET" && method !== "HEAD") answer(405, "metrics can be read only\n");
    else if (url !== "/metrics" && url !== "/") answer(404, "metrics are at /metrics\n");
    else answer(200, text());
  });
}

function unusable(where: string): UsageError {
  return new UsageError(
    `--metrics takes a path (/run/halfopen.sock) or a port of the loopback (127.0.0.1:9555), got ${JSON.stringify(where)}`,
  );
}
