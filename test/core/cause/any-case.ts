import fc from "fast-check";
import type { Case } from "../../../src/core/cause/case.ts";
import type { Ending } from "../../../src/core/cause/classify-ending.ts";
import type { TcpState } from "../../../src/core/tcp-info.ts";

const anyPath = fc.option(
  fc.record({
    hasRoute: fc.constantFrom(true, false, null),
    interfaceName: fc.constantFrom("eth0", null),
    linkUp: fc.constantFrom(true, false, null),
    hasSourceAddress: fc.constantFrom(true, false, null),
    gateway: fc.constantFrom("10.0.0.1", null),
    neighbor: fc.constantFrom("REACHABLE", "FAILED", null),
    wasInOrder: fc.constantFrom(true, false, null),
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
    sendMssBytes: fc.constantFrom(1220, 1448),
    sackedSegments: fc.nat(1),
    bytesSent: fc.nat(10_000),
    bytesRetransmitted: fc.nat(1448),
    bytesAcked: fc.nat(4000),
    deliveredSegments: fc.nat(10),
    lastAckReceivedMs: fc.nat(100_000),
    lastDataReceivedMs: fc.nat(100_000),
  },
  { requiredKeys: ["state"] },
);
/** Any facts about a connection that exists, possible ones and others. */
export const anyCase: fc.Arbitrary<Case> = fc.record<Case>({
  state: fc.constantFrom("alive", "suspect", "dead"),
  flow: fc.constantFrom("idle", "in-flight", "blocked"),
  info: fc.option(anyInfo),
  localPath: anyPath,
  others: fc.constant(null),
  silentForMs: fc.option(fc.nat(100_000), { freq: 2 }),
  unansweredAttempts: fc.nat(20),
  areAttemptsLocal: fc.boolean(),
  lossRatio: fc.double({ min: 0, max: 1, noNaN: true }),
  isLossy: fc.boolean(),
  refuted: fc.constant(null),
  isHeardWithoutProgress: fc.boolean(),
  isDeaf: fc.boolean(),
  localProxy: fc.constantFrom(null, "127.0.0.1:15001"),
  isRushed: fc.boolean(),
  isQuestioned: fc.boolean(),
  processSilentForMs: fc.option(fc.nat(100_000), { freq: 2 }),
  pausedForMs: fc.option(fc.nat(100_000), { freq: 2 }),
  hasRtoCap: fc.boolean(),
});

/** Any facts about a connection that has ended. */
export const anyEnding: fc.Arbitrary<Ending> = fc.record<Ending>({
  errorCode: fc.constantFrom(
    null,
    "ECONNRESET",
    "EPIPE",
    "ECONNABORTED",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ETIMEDOUT",
    "UNKNOWN",
    "ERR_OF_THE_PROGRAM",
  ),
  hasPeerEnded: fc.boolean(),
  isAfterOwnEnd: fc.boolean(),
  info: fc.option(anyInfo),
  unansweredAttempts: fc.nat(20),
  localPath: anyPath,
  pausedForMs: fc.constant(null),
});
