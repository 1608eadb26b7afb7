import { once } from "node:events";
import { Socket } from "node:net";
import { expect, it } from "vitest";
import { DeadPeerError } from "../../src/index.ts";
import { deadPeerError } from "../../src/testing/index.ts";

it("deadPeerError is what a program gets when a watch finds its peer dead, with what the test names", async () => {
  const socket = new Socket();
  const remote = "10.0.0.7:5432";
  const failing = once(socket, "error");
  socket.destroy(deadPeerError({ remote, label: "orders" }));
  const [error] = (await failing) as [DeadPeerError];
  expect(error).toBeInstanceOf(DeadPeerError);
  expect({ code: error.code, isLocal: error.isLocal, message: error.message }).toEqual({
    code: "ERR_PEER_DEAD",
    isLocal: false,
    message: "peer 10.0.0.7:5432 is dead: path-silent; no answer to 5 attempts",
  });
  expect(error.diagnosis).toMatchObject({
    state: "dead",
    certainty: "high",
    silentForMs: 10_000,
    label: "orders",
    evidence: { unansweredAttempts: 5, tcpInfo: null },
  });
  expect(deadPeerError({ cause: "local-link-down" }).isLocal).toBe(true);
});
