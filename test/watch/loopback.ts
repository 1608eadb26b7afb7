import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/** A connected pair on loopback; both ends are destroyed and the server closed by `dispose`. */
export interface Pair extends AsyncDisposable {
  readonly client: Socket;
  readonly accepted: Socket;
  readonly server: Server;
  dispose(): Promise<void>;
}

export async function loopbackPair(
  options: { allowHalfOpen?: boolean; host?: string; server?: Server } = {},
): Promise<Pair> {
  const host = options.host ?? "127.0.0.1";
  const server = options.server ?? createServer({ allowHalfOpen: options.allowHalfOpen ?? false });
  server.listen(0, host);
  await once(server, "listening");
  const accepting = once(server, "connection");
  const client = connect({
    port: (server.address() as { port: number }).port,
    host,
    allowHalfOpen: options.allowHalfOpen ?? false,
  });
  client.on("error", () => {});
  const [[accepted]] = (await Promise.all([accepting, once(client, "connect")])) as [
    [Socket],
    unknown,
  ];
  accepted.on("error", () => {});
  const dispose = async (): Promise<void> => {
    client.destroy();
    accepted.destroy();
    server.close();
    await once(server, "close");
  };
  return { client, accepted, server, dispose, [Symbol.asyncDispose]: dispose };
}
