import type { Instant } from "../time/instant.ts";

/** What a proof of the peer's process takes and tells (process-proof.ts, quick-process.ts). */
export interface HeartbeatProof {
  readonly wantsHeartbeat: boolean;
  readonly lastFailure: string | null;
  readonly rttMs: number | null;
  readonly isBelieved: boolean;
  readonly heardAt: Instant;
  readonly isAsking: boolean;
  isMute(now: Instant): boolean;
  heard(at: Instant): void;
  asked(now: Instant): void;
  answered(now: Instant): void;
  excused(now: Instant): void;
  delayed(now: Instant): void;
  failed(now: Instant, reason: string): void;
  stalled(now: Instant, gapMs: number): void;
  isSilentTooLong(now: Instant): boolean;
  silentForMs(now: Instant): number;
  next(now: Instant): Instant;
}
