// Tells when softirqs ran in threads of a name: "FROM TO" a line, in ms of the monotonic clock.
// Ends with its standard input.
//   unshare --mount node softirq-reader.mjs NAME
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const [name] = process.argv.slice(2);
const ROOT = "/sys/kernel/tracing";
/** Shorter ones do not add up to anything. */
const SHORTEST_MS = 0.02;
const BUFFER_KB = 4096;
execFileSync("mount", ["-t", "tracefs", "tracefs", ROOT]);
const trace = `${ROOT}/instances/${name}`;
mkdirSync(trace);
const set = (file, text) => writeFileSync(`${trace}/${file}`, text);
set("trace_clock", "mono");
set("buffer_size_kb", `${BUFFER_KB}`);
for (const event of ["softirq_entry", "softirq_exit"]) {
  set(`events/irq/${event}/filter`, `comm == "${name}"`);
  set(`events/irq/${event}/enable`, "1");
}
const pipe = spawn("cat", [`${trace}/trace_pipe`], { stdio: ["ignore", "pipe", "ignore"] });
console.log("ready");

// Of a processor: softirqs do not nest.
const since = new Map();
createInterface({ input: pipe.stdout }).on("line", (line) => {
  const [, processor, seconds, event] =
    line.match(/\[(\d+)\] \S+ +([\d.]+): softirq_(entry|exit):/) ?? [];
  const at = Number(seconds) * 1000;
  if (event === "entry") since.set(processor, at);
  else if (event === "exit" && at - since.get(processor) >= SHORTEST_MS)
    console.log(`${since.get(processor)} ${at}`);
});

process.stdin.resume().on("end", () => {
  pipe.kill();
  pipe.on("exit", () => {
    for (const event of ["softirq_entry", "softirq_exit"]) set(`events/irq/${event}/enable`, "0");
    rmdirSync(trace);
    process.exit();
  });
});
