import { connect, createServer } from "node:net";
import { RELAY } from "./local-proxy.ts";
import { PEER_PORTS, TLS_PORT_OFFSET } from "./peer-ports.ts";

/**
 * `relay IPV4 IPV6`: the proxy of this host. Accepts what is redirected to it, and passes it on to
 * the peer, whose addresses are given.
 */
const [, , ipv4 = "", ipv6 = ""] = process.argv;
let localPort: number = RELAY.firstSource;

let waiting = 0;
for (const port of [PEER_PORTS.sink, PEER_PORTS.sink + TLS_PORT_OFFSET]) {
  waiting++;
  const server = createServer((near) => {
    const isIpv4 = near.remoteAddress?.includes(".") ?? false;
    const far = connect({ host: isIpv4 ? ipv4 : ipv6, port, localPort: localPort++ });
    for (const socket of [near, far]) socket.on("error", () => {});
    near.pipe(far).pipe(near);
    near.on("close", () => far.destroy());
    far.on("close", () => near.destroy());
  });
  server.listen(
    port + RELAY.portOffset,
    "::",
    1024,
    () => --waiting === 0 && process.stdout.write("ready\n"),
  );
}
process.stdin.resume().on("close", () => process.exit(0));
