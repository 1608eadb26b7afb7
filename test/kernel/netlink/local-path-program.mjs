/**
 * Runs inside a host of the lab: answers each line `LOCAL REMOTE` with what the kernel there says
 * of the path, `touch REMOTE` after a try to connect.
 */
import { connect } from "node:net";
import { createInterface } from "node:readline";

const { examineLocalPath } = await import(
  new URL("../../../dist/kernel/netlink/local-path.js", import.meta.url).href
);

for await (const line of createInterface({ input: process.stdin })) {
  const [first, second] = line.split(" ");
  if (first === "touch") {
    // Whether it succeeds is no matter: the kernel has asked for the neighbour.
    await new Promise((resolve) =>
      connect({ host: second, port: 9, timeout: 300 }).on("error", resolve).on("timeout", resolve),
    );
    console.log("{}");
  } else console.log(JSON.stringify(examineLocalPath(first, second)));
}
