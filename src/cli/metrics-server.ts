import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { UsageError } from "./command.ts";
import { removeStaleSocket } from "./stale-socket.ts";

/**
 * Serves metrics at the path of a Unix socket, or on a port of the loopback. Never further: the
 * metrics describe this machine.
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

const LOOPBACK = /^(127\.0\.0\.1|\[::1\]|localhost):(\d{1,5})$/;
const ADDRESSES: Readonly<Record<string, string>> = {
  "127.0.0.1": "127.0.0.1",
  "[::1]": "::1",
  localhost: "127.0.0.1",
};

/** Names of the loopback in a request. A browser that DNS rebinding led here sends another name. */
const OWN_NAME = /^(?:127\.0\.0\.1|\[::1\]|localhost)(?::\d+)?$/i;

/**
 * Checks the requested name on the loopback only. A Unix socket is guarded by its permissions, and
 * its clients send any name.
 */
function metricsServer(text: () => string, checksHost: boolean): Server {
  return createServer(({ method, url, headers: { host } }, response) => {
    const answer = (status: number, body: string): void => {
      response
        .writeHead(status, { "content-type": "text/plain; version=0.0.4; charset=utf-8" })
        .end(body);
    };
    if (checksHost && !OWN_NAME.test(host ?? ""))
      answer(403, "metrics are for this host alone: request them from localhost\n");
    else if (method !== "GET" && method !== "HEAD")
      answer(405, "metrics are read-only: use GET or HEAD\n");
    else if (url !== "/metrics" && url !== "/") answer(404, "metrics are at /metrics\n");
    else answer(200, text());
  });
}

function unusable(where: string): UsageError {
  return new UsageError(
    `--metrics takes a path (/run/halfopen.sock) or a port of the loopback (127.0.0.1:9555), got ${JSON.stringify(where)}`,
  );
}
