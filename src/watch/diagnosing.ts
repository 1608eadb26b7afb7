import type { Socket } from "node:net";
import { classify, type Finding } from "../core/cause/classify.ts";
import { classifyEnding } from "../core/cause/classify-ending.ts";
import type { Diagnosis, LocalPath, OtherConnections, State } from "../core/diagnosis.ts";
import type { Liveness } from "../core/judge/liveness.ts";
import type { PathLoss } from "../core/judge/path-loss.ts";
import { othersOf, type PeerGroup } from "../core/judge/peer-groups.ts";
import type { TcpInfo } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import { examineLocalPath } from "../kernel/netlink/local-path.ts";
import { localOf, remoteOf } from "./address.ts";
import { type Endpoints, hasSeenEnd } from "./handle.ts";

/** All that a connection knows when somebody asks for its diagnosis. */
export interface Facts {
  readonly endpoints: Endpoints;
  readonly now: Instant;
  readonly state: State;
  readonly label: string | null;
  readonly info: TcpInfo | null;
  /** `null` where nothing is open to judgement, or no kernel evidence to be had. */
  readonly liveness: Liveness | null;
  /** `null` where no kernel evidence is to be had. */
  readonly loss: PathLoss | null;
  readonly heardAt: Instant | null;
  readonly processSilentForMs: number | null;
  readonly heartbeatFailure: string | null;
  readonly pausedForMs: number | null;
  readonly others: PeerGroup | null;
  readonly hasRtoCap: boolean;
  /** Keepalive runs, so that silence means something. */
  readonly isQuestioned: boolean;
}

/** Of a connection that is not there yet, or watched no more. */
export function factsOfNothing(
  endpoints: Endpoints,
  now: Instant,
  state: State,
  label: string | null,
): Facts {
  return {
    endpoints,
    now,
    state,
    label,
    info: null,
    liveness: null,
    loss: null,
    heardAt: null,
    processSilentForMs: null,
    heartbeatFailure: null,
    pausedForMs: null,
    others: null,
    hasRtoCap: false,
    isQuestioned: false,
  };
}

export function diagnoseNow(facts: Facts): Diagnosis {
  const { liveness, info, state } = facts;
  const localPath = state === "alive" ? null : pathOf(facts);
  const finding = classify({
    state,
    flow: liveness?.flow ?? "idle",
    info,
    localPath,
    others: othersSeenBy(facts, state),
    silentForMs: silentForMs(facts),
    unansweredAttempts: liveness?.attempts.count ?? 0,
    areAttemptsLocal: liveness?.attempts.areLocal ?? false,
    lossRatio: facts.loss?.ratio ?? 0,
    isLossy: facts.loss?.isNotable ?? false,
    refuted: liveness?.lastSuspicion ?? null,
    isHeardWithoutProgress: liveness?.isHeardWithoutProgress ?? false,
    isRushed: liveness?.isRushed ?? false,
    isQuestioned: facts.isQuestioned,
    processSilentForMs: facts.processSilentForMs,
    pausedForMs: facts.pausedForMs,
    doubt: liveness?.doubt ?? null,
    hasRtoCap: facts.hasRtoCap,
  });
  const failure = facts.heartbeatFailure;
  const why =
    failure === null ? finding.why : [...finding.why, `the last heartbeat failed: ${failure}`];
  return compose(facts, state, { ...finding, why }, null, localPath);
}

/**
 * How the socket ended, by the kernel's or the program's doing. `untold` is the kernel's error that
 * the event loop did not tell of.
 */
export function diagnoseEnding(facts: Facts, socket: Socket, untold: string | null): Diagnosis {
  const localPath = pathOf(facts);
  const errorCode = codeOf(socket) ?? untold;
  const { state, ...finding } = classifyEnding({
    errorCode,
    // Closed without an error: both ends said that they have nothing more to send.
    hasPeerEnded: hasSeenEnd(socket) || facts.info?.state === "CLOSE",
    info: facts.info,
    unansweredAttempts: facts.liveness?.attempts.count ?? 0,
    localPath,
    pausedForMs: facts.pausedForMs,
  });
  return compose(facts, state, finding, errorCode, localPath);
}

/**
 * The socket gave its handle away: to another process or thread, or to another socket of this one.
 */
export function diagnoseHandedOver(facts: Facts): Diagnosis {
  const why = [
    "handed to another process, thread or socket: this one has no descriptor of it any more",
  ];
  const unknown = ["how the connection is doing there"];
  return compose(
    facts,
    "alive",
    { cause: "closed-locally", certainty: "certain", why, unknown },
    null,
    null,
  );
}

function compose(
  facts: Facts,
  state: State,
  finding: Finding,
  errorCode: string | null,
  localPath: LocalPath | null,
): Diagnosis {
  const silent = silentForMs(facts);
  return {
    state,
    ...finding,
    overdue: facts.liveness?.isOverdue ?? false,
    silentForMs: silent,
    since: silent === null ? null : Math.round(Date.now() - silent),
    evidence: {
      tcpInfo: facts.info,
      errorCode,
      localPath,
      unansweredAttempts: facts.liveness?.attempts.count ?? 0,
      lossRatio: facts.loss?.ratio ?? 0,
      others: othersSeenBy(facts, state),
    },
    local: localOf(facts.endpoints),
    remote: remoteOf(facts.endpoints),
    label: facts.label,
  };
}

function othersSeenBy(
  { others, liveness, isQuestioned }: Facts,
  state: State,
): OtherConnections | null {
  if (!others || !isQuestioned) return null;
  const { count, firstAt } = liveness?.attempts ?? { count: 0, firstAt: 0 };
  return othersOf(others, state !== "alive", count > 0 ? firstAt : Number.NEGATIVE_INFINITY);
}

function silentForMs(facts: Facts): number | null {
  return facts.heardAt === null ? null : Math.max(0, facts.now - facts.heardAt);
}

function pathOf({ endpoints }: Facts): LocalPath | null {
  const { localAddress, remoteAddress } = endpoints;
  return localAddress && remoteAddress ? examineLocalPath(localAddress, remoteAddress) : null;
}

function codeOf(socket: Socket): string | null {
  const error = socket.errored as NodeJS.ErrnoException | null;
  if (!error) return null;
  return error.code ?? error.name;
}
