import type { Surroundings } from "../core/cause/diagnose.ts";
import type { Instant } from "../core/time/instant.ts";
import { engine } from "./engine.ts";
import type { HostCheck } from "./host/host-check.ts";
import { knownPaths } from "./known-paths.ts";
import { localProxies } from "./local-proxies.ts";
import type { Membership } from "./membership.ts";
import type { ProcessCheck } from "./process-check.ts";

/** The evidence of one connection, from its host, its process and the other connections. */
export interface Gathered {
  readonly kernel: HostCheck | null;
  readonly process: ProcessCheck | null;
  readonly membership: Membership;
  readonly heardAt: Instant | null;
  readonly detectWithinMs: number;
  /** The descriptor while the socket holds it, else -1. */
  readonly fd: number;
}

/** The facts that take a look-up, each of which a diagnosis may need or not. */
export interface LookUps {
  /** The path of this host to the peer. */
  readonly path: boolean;
  /** A proxy on this host. */
  readonly proxy: boolean;
}

/** Returns the facts that a diagnosis needs beside the judgement. */
export function factsAround(it: Gathered, wanted: LookUps, now: Instant): Partial<Surroundings> {
  const { kernel, membership, heardAt, fd } = it;
  const { group, endpoints } = membership;
  const proof = it.process?.proof;
  // If the host is silent, that is the cause.
  const isProcessSilent =
    (kernel?.judged.state ?? "alive") === "alive" && proof?.isSilentTooLong(now);
  return {
    ...(kernel && kernelFacts(kernel, membership)),
    silentForMs: heardAt === null ? null : Math.max(0, now - heardAt),
    pausedForMs:
      heardAt === null ? null : engine.health.pausedSinceMs(heardAt, now - it.detectWithinMs),
    processSilentForMs: isProcessSilent ? (proof?.silentForMs(now) ?? null) : null,
    heartbeatFailure: proof?.lastFailure ?? null,
    isProcessMute: proof?.isMute(now) ?? false,
    localPath: wanted.path ? knownPaths.now(group, endpoints, fd) : null,
    localProxy:
      wanted.proxy && kernel ? localProxies.find(group, endpoints, kernel.info, now) : null,
  };
}

function kernelFacts(kernel: HostCheck, membership: Membership): Partial<Surroundings> {
  const { unanswered, firstUnansweredAt } = kernel.judged;
  return {
    info: kernel.info,
    loss: kernel.loss,
    others: membership.othersSince(unanswered > 0 ? firstUnansweredAt : Number.NEGATIVE_INFINITY),
    isQuestioned: true,
    hasRtoCap: kernel.hasRtoCap,
  };
}
