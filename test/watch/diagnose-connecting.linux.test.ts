import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { diagnose } from "../../src/watch/diagnose.ts";

/** Takes two connections that nobody accepts; the kernel silently drops further SYNs. */
const FULL = `
import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(0)
c = [socket.socket() for _ in range(4)]
for it in c: it.setblocking(False); it.connect_ex(s.getsockname())
print(s.getsockname()[1], flush=True); sys.stdin.read()`;

it.runIf(process.platform === "linux")(
  "diagnose reports a connection that is being made as connecting, and claims nothing about a peer",
  async () => {
    const host = spawn("python3", ["-c", FULL], { stdio: ["pipe", "pipe", "inherit"] });
    const [line] = (await once(host.stdout, "data")) as [Buffer];
    const socket = connect(Number(String(line)), "127.0.0.1").on("error", () => {});
    await sleep(1500); // one SYN has been repeated
    expect(socket.connecting).toBe(true);
    expect(diagnose(socket)).toMatchObject({
      state: "suspect",
      cause: "connecting",
      silentForMs: null,
      since: null,
      why: [expect.stringMatching(/no answer to our SYN, which was repeated once$/)],
    });
    socket.destroy();
    host.stdin.end();
  },
);
