/**
 * Runs inside a host of the lab. Answers each line `LOCAL REMOTE` with the path that the kernel
 * there reports, and `touch REMOTE` after an attempt to connect.
 */
import { connect } from "node:net";
import { createInterface } from "node:readline";

const { examineLocalPath } = await import(
  new URL("../../../dist/kernel/netlink/local-path.js", import.meta.url).href
);

for await (const line of createInterface({ input: process.stdin })) {
  const [first, second] = line.split(" ");
  if (first === "touch") {
    // The outcome does not matter: the kernel has looked up the neighbour.
    await new Promise((resolve) =>
      connect({ host: second, port: 9, timeout: 300 }).on("error", resolve).on("timeout", resolve),
    );
    console.log("{}");
  } else
    console.log(JSON.stringify(examineLocalPath({ localAddress: first, remoteAddress: second })));
}
