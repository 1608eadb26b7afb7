import type { Diagnosis } from "../../src/core/diagnosis.ts";
import { FAULTS } from "../../src/lab/faults.ts";
import { MECHANISMS } from "../../src/lab/mechanisms.ts";
import type { LabCell, LabReport } from "../../src/lab/report.ts";

/** A text as it may come over a wire into a diagnosis. */
export const HOSTILE = `</style><script>alert(1)</script><img src="http://evil.example/x.png" onerror='alert(2)'> & "quotes"`;

const diagnosis: Diagnosis = {
  state: "dead",
  cause: "path-silent",
  certainty: "high",
  overdue: false,
  silentForMs: 4287,
  since: 1_795_432_476_203,
  why: ["4 attempts unanswered, nothing heard for 4.3 s", HOSTILE],
  unknown: [],
  evidence: {
    tcpInfo: null,
    errorCode: null,
    localPath: null,
    unansweredAttempts: 4,
    lossRatio: 0.01,
    others: null,
  },
  local: "10.77.0.1:51700",
  remote: "10.77.0.2:7001",
  label: null,
};

/**
 * Returns a report of every fault and mechanism without a run. Watch notices, and the other
 * mechanisms are late, never notice, or kill a live peer.
 */
export function everyCell(): LabReport {
  const cells = FAULTS.flatMap((fault) =>
    fault.traffics.flatMap((traffic) =>
      MECHANISMS.flatMap((mechanism) =>
        ([4, 6] as const).map((family): LabCell => {
          const lives = fault.effect === "lives";
          const isKilled = lives && mechanism === "heartbeat" && family === 4;
          const isNever = lives
            ? !isKilled
            : mechanism === "none" || mechanism === "system-keepalive";
          const detectedMs = isNever ? null : 3000 + 400 * MECHANISMS.indexOf(mechanism) + family;
          return {
            fault: fault.id,
            mechanism,
            traffic,
            family,
            tls: false,
            privileged: false,
            lossRatio: 0,
            detectedMs,
            predictedMs:
              detectedMs === null
                ? null
                : {
                    best: detectedMs - 300,
                    worst: mechanism === "heartbeat" ? detectedMs - 200 : detectedMs + 300,
                  },
            isAsPredicted: detectedMs === null ? null : mechanism !== "heartbeat",
            error: isNever ? null : mechanism === "watch" ? "ERR_PEER_DEAD" : "ETIMEDOUT",
            diagnosis: mechanism === "watch" ? diagnosis : null,
            falseAlarm: isKilled,
            ok: mechanism !== "watch" || fault.id !== "cable-pulled" || family !== 6,
            problem: HOSTILE,
            observedMs: 12_000,
          };
        }),
      ),
    ),
  );
  const ok = cells.filter((cell) => cell.ok).length;
  return {
    environment: {
      kernel: "6.18",
      node: "v20",
      platform: "linux x64",
      cpus: 2,
      asRoot: true,
      length: "quick",
      startedAt: "2026-01-01T00:00:00Z",
      tookMs: 42_000,
    },
    detectWithinMs: 5000,
    surviveOutageMs: 2000,
    cells,
    skipped: [{ fault: "nat-forgets", why: HOSTILE }],
    summary: { cells: cells.length, ok, failed: cells.length - ok, predicted: 4, asPredicted: 3 },
  };
}
