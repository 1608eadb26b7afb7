import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { classifyEnding, type Ending } from "../../../src/core/cause/classify-ending.ts";
import type { Cause, Certainty, LocalPath, State } from "../../../src/core/diagnosis.ts";

const ORDERLY: Ending = {
  errorCode: null,
  hasPeerEnded: false,
  isAfterOwnEnd: false,
  info: null,
  unansweredAttempts: 0,
  localPath: null,
  pausedForMs: null,
};
const IN_ORDER: LocalPath = {
  hasRoute: true,
  interfaceName: "eth0",
  linkUp: true,
  hasSourceAddress: true,
  gateway: null,
  neighbor: "REACHABLE",
  wasInOrder: true,
};

/** An end, and the expected finding. Without `unknown` nothing may be left unknown. */
type Row = [it: Partial<Ending>, state: State, certainty: Certainty, why: RegExp, unknown?: RegExp];
type Rows = readonly [Row, ...Row[]];

const after = (errorCode: string, more: Partial<Ending> = {}): Partial<Ending> => ({
  errorCode,
  ...more,
});
const established = (info: { retransmits?: number; probes?: number }): Pick<Ending, "info"> => ({
  info: { state: "ESTABLISHED", ...info },
});
const localPath: LocalPath = { ...IN_ORDER, linkUp: false };

const TABLE: Partial<Record<Cause, Rows>> = {
  "closed-by-peer": [
    [
      { hasPeerEnded: true },
      "alive",
      "high",
      /^the peer closed the connection$/,
      /proxy in between/,
    ],
  ],
  "closed-locally": [
    [{}, "alive", "certain", /^this program closed the connection$/],
    [
      after("ECONNRESET", { isAfterOwnEnd: true, unansweredAttempts: 3 }),
      "alive",
      "high",
      /^this program ended .* acknowledged, .* reset the rest \(ECONNRESET\)$/,
      /had more to send/,
    ],
    [
      after("EPIPE", { isAfterOwnEnd: true, hasPeerEnded: true }),
      "alive",
      "high",
      /reset the rest \(EPIPE\)$/,
      /had more to send/,
    ],
    [after("ECONNABORTED"), "alive", "high", /aborted on this host/, /who aborted it; Windows/],
    [after("ECONNABORTED", { localPath }), "alive", "high", /aborted on this host/, /Windows/],
    [
      after("ERR_OF_THE_PROGRAM"),
      "alive",
      "medium",
      /ended with ERR_OF_THE_PROGRAM$/,
      /peer has a part/,
    ],
  ],
  "peer-reset": [
    [after("ECONNRESET"), "dead", "high", /^ECONNRESET: the peer's host reset/, /program aborted/],
    [
      after("EPIPE", { hasPeerEnded: true }),
      "dead",
      "high",
      /^EPIPE: the peer's host reset/,
      /program aborted/,
    ],
    [
      after("ECONNRESET", { unansweredAttempts: 1 }),
      "dead",
      "high",
      /after 1 unanswered attempts: .* no longer knows/,
      /rebooted, its address/,
    ],
    [
      after("ECONNRESET", established({ retransmits: 1 })),
      "dead",
      "high",
      /no longer knows this connection/,
      /rebooted, its address/,
    ],
    [
      after("ECONNRESET", established({ probes: 1 })),
      "dead",
      "high",
      /no longer knows this connection/,
      /rebooted, its address/,
    ],
    [
      after("ECONNRESET", established({ retransmits: 0, probes: 0 })),
      "dead",
      "high",
      /: the peer's host reset/,
      /program aborted/,
    ],
  ],
  unreachable: [
    [after("EHOSTUNREACH"), "dead", "high", /reports EHOSTUNREACH$/, /router or our own neighbour/],
    [after("ENETUNREACH"), "dead", "high", /reports ENETUNREACH$/, /router or our own neighbour/],
    [after("EHOSTDOWN"), "dead", "high", /reports EHOSTDOWN$/, /router or our own neighbour/],
    [
      after("ENETDOWN", { localPath: IN_ORDER }),
      "dead",
      "high",
      /reports ENETDOWN$/,
      /router or our own neighbour/,
    ],
  ],
  "local-link-down": [
    [after("EHOSTUNREACH", { localPath }), "dead", "certain", /^our interface eth0 is down/],
    [after("ETIMEDOUT", { localPath }), "dead", "certain", /^our interface eth0 is down/],
    [
      after("ETIMEDOUT", { localPath: { ...localPath, wasInOrder: null } }),
      "dead",
      "medium",
      /^our interface eth0 is down/,
      /not looked up while the peer answered/,
    ],
  ],
  "mtu-black-hole": [
    [
      after("ETIMEDOUT", {
        info: {
          state: "ESTABLISHED",
          sendMssBytes: 1448,
          unackedSegments: 3,
          bytesSent: 400 + 4 * 1448,
          bytesRetransmitted: 1448,
          bytesAcked: 400,
          deliveredSegments: 20,
        },
      }),
      "dead",
      "medium",
      /only segments of 1448 bytes stayed unanswered/,
      /host is gone/,
    ],
  ],
  "path-silent": [
    [
      after("ETIMEDOUT", { localPath: { ...localPath, wasInOrder: false } }),
      "dead",
      "high",
      /gave up before we did \(ETIMEDOUT\)/,
      /host or its power/,
    ],
    [
      after("ETIMEDOUT", { localPath: IN_ORDER }),
      "dead",
      "high",
      /gave up before we did \(ETIMEDOUT\)/,
      /host or its power/,
    ],
    // WSAENETRESET of Windows, which libuv does not name.
    [after("UNKNOWN"), "dead", "medium", /no name for \(UNKNOWN\)/, /which error it was/],
  ],
};

describe.each(Object.entries(TABLE))("an end is %s", (cause, rows) => {
  it.each(rows)("of %j: %s, %s", (it, state, certainty, why, unknown) => {
    const found = classifyEnding({ ...ORDERLY, ...it });
    expect(found).toMatchObject({
      cause,
      state,
      certainty,
      why: expect.arrayContaining([expect.stringMatching(why)]),
    });
    expect(found.unknown).toEqual(
      unknown === undefined ? [] : expect.arrayContaining([expect.stringMatching(unknown)]),
    );
  });
});

const anyCode = fc.oneof(
  fc.constantFrom(
    "ECONNRESET",
    "EPIPE",
    "ECONNABORTED",
    "EHOSTUNREACH",
    "ETIMEDOUT",
    "UNKNOWN",
    "EMFILE",
  ),
  fc.string({ unit: "binary" }),
);

it("an end by any error has printable words for why, and one of the causes above", () => {
  const causes = new Set(Object.keys(TABLE));
  fc.assert(
    fc.property(
      fc.option(anyCode),
      fc.boolean(),
      fc.nat(3),
      (errorCode, hasPeerEnded, unansweredAttempts) => {
        const { cause, why } = classifyEnding({
          ...ORDERLY,
          errorCode,
          hasPeerEnded,
          unansweredAttempts,
        });
        expect(causes).toContain(cause);
        expect(why.length).toBeGreaterThan(0);
        for (const line of why) expect(line).not.toMatch(/\p{Cc}/u);
      },
    ),
  );
});
