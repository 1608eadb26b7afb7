import { cpus, release } from "node:os";

/** What a bench's figures were measured on. */
export const machine = {
  cpu: cpus()[0]?.model ?? "unknown",
  cpus: cpus().length,
  kernel: release(),
  node: process.version,
};
