import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Case } from "../../../src/core/cause/case.ts";
import { classify } from "../../../src/core/cause/classify.ts";
import type { Cause } from "../../../src/core/diagnosis.ts";
import type { TcpState } from "../../../src/core/tcp-info.ts";

const anyPath = fc.option(
  fc.record({
    hasRoute: fc.constantFrom(true, false, null),
    interfaceName: fc.constantFrom("eth0", null),
    linkUp: fc.constantFrom(true, false, null),
    hasSourceAddress: fc.constantFrom(true, false, null),
    gateway: fc.constantFrom("10.0.0.1", null),
    neighbor: fc.constantFrom("REACHABLE", "FAILED", null),
  }),
);
const anyInfo = fc.record(
  {
    state: fc.constantFrom<TcpState>("ESTABLISHED", "SYN_SENT", "CLOSE_WAIT", "FIN_WAIT2"),
    retransmits: fc.nat(15),
    backoff: fc.nat(15),
    totalRetransmits: fc.nat(15),
    unackedSegments: fc.nat(3),
    retransmittedSegments: fc.nat(3),
    notSentBytes: fc.nat(2000),
    sendWindowBytes: fc.nat(2000),
    lastAckReceivedMs: fc.nat(100_000),
    lastDataReceivedMs: fc.nat(100_000),
  },
  { requiredKeys: ["state"] },
);
const anyCase = fc.record<Case>({
  state: fc.constantFrom("alive", "suspect", "dead"),
  flow: fc.constantFrom("idle", "in-flight", "blocked"),
  info: fc.option(anyInfo),
  localPath: anyPath,
  others: fc.constant(null),
  silentForMs: fc.option(fc.nat(100_000), { freq: 1 }),
  unansweredAttempts: fc.nat(20),
  areAttemptsLocal: fc.boolean(),
  lossRatio: fc.double({ min: 0, max: 1, noNaN: true }),
  isLossy: fc.boolean(),
  refuted: fc.constant(null),
  isHeardWithoutProgress: fc.boolean(),
  isRushed: fc.boolean(),
  isQuestioned: fc.boolean(),
  processSilentForMs: fc.option(fc.nat(100_000), { freq: 1 }),
  pausedForMs: fc.option(fc.nat(100_000), { freq: 1 }),
  hasRtoCap: fc.boolean(),
});

const HARMLESS = new Set<Cause>([
  "connecting",
  "healthy",
  "quiet",
  "local-stall",
  "never-closed",
  "peer-not-reading",
  "lossy-path",
]);
/** Causes that this host alone can be sure of. */
const CERTAIN_OF_SILENCE = new Set<Cause>(["local-link-down", "local-send-failure"]);

describe("whatever the evidence", () => {
  it("says why, in plain words", () => {
    fc.assert(
      fc.property(anyCase, (it) => {
        const { why, unknown } = classify(it);
        expect(why.length).toBeGreaterThan(0);
        for (const line of [...why, ...unknown]) expect(line).not.toMatch(/undefined|null|NaN/);
      }),
      { numRuns: 1000 },
    );
  });

  it("finds a harmless cause for a live connection, and only for a live one", () => {
    fc.assert(
      fc.property(anyCase, (it) => {
        const { cause } = classify(it);
        const isConnecting = it.info?.state === "SYN_SENT";
        expect({ cause, isHarmless: HARMLESS.has(cause) }).toEqual({
          cause,
          isHarmless: isConnecting || it.state === "alive",
        });
      }),
      { numRuns: 1000 },
    );
  });

  it("is certain of a silence only where this host itself fails", () => {
    fc.assert(
      fc.property(anyCase, (it) => {
        const { cause, certainty } = classify(it);
        if (it.state === "alive" || cause === "connecting") return;
        expect({ cause, isCertain: certainty === "certain" }).toEqual({
          cause,
          isCertain: CERTAIN_OF_SILENCE.has(cause),
        });
      }),
      { numRuns: 1000 },
    );
  });
});
