// Runs commands side by side. The argument is JSON, { name: shell command }. Each line of output is
// printed as `name<TAB>line`, an end as `name<TAB>exit CODE`. Standard input stays open.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

for (const [name, command] of Object.entries(JSON.parse(process.argv[2] ?? "{}"))) {
  const child = spawn("sh", ["-c", `exec 2>&1\n${command}`], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  createInterface({ input: child.stdout }).on("line", (line) => console.log(`${name}\t${line}`));
  child.on("exit", (code, signal) => console.log(`${name}\texit ${signal ?? code}`));
}
