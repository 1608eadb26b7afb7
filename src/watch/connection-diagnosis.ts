import type { Socket } from "node:net";
import {
  CALM,
  diagnose,
  diagnoseEnding,
  diagnosisOf,
  type Surroundings,
  UNKNOWN_SURROUNDINGS,
} from "../core/cause/diagnose.ts";
import type { Diagnosis, State } from "../core/diagnosis.ts";
import type { Instant } from "../core/time/instant.ts";
import { wallClockMs } from "../kernel/clock.ts";
import { endpointText } from "../kernel/netlink/ip-address.ts";
import type { EndFacts } from "./end-facts.ts";
import type { Evidence } from "./evidence.ts";
import type { LookUps } from "./facts-around.ts";
import { type Endpoints, endpointsOf, errorCodeOf, hasSeenEnd } from "./handle.ts";

/** A connection to diagnose; `evidence` is `null` in a phase that holds none. */
export interface Asked {
  readonly socket: Socket;
  readonly evidence: Evidence | null;
  readonly label: string | null;
}

/**
 * Returns the diagnosis of a connection that is in `state`, as its watch has decided.
 * `isRequested`: the program asked for it, so a search too long for thousands of events is made.
 */
export function diagnoseAs(state: State, of: Asked, now: Instant, isRequested = false): Diagnosis {
  const judged = of.evidence?.judged ?? CALM;
  const isAlive = state === "alive";
  const wanted = { path: !isAlive, proxy: isAlive && isRequested };
  return diagnose({ ...judged, state }, around(of, now, wanted));
}

/**
 * Returns the diagnosis of a connection that the kernel or the program has ended. `seenError`: the
 * kernel's error, where the event loop has not reported the end.
 */
export function diagnoseEnd(
  of: Asked,
  { untoldError, isAfterOwnEnd }: EndFacts,
  seenError: string | null,
  now: Instant,
): Diagnosis {
  const errorCode = errorCodeOf(of.socket) ?? seenError ?? untoldError;
  // An orderly end needs no look-up of the path, and thousands may come at once.
  const surroundings = around(of, now, { path: errorCode !== null, proxy: false });
  // CLOSE without an error: both ends have sent all and said so.
  const hasPeerEnded = hasSeenEnd(of.socket) || surroundings.info?.state === "CLOSE";
  const ending = { errorCode, hasPeerEnded, isAfterOwnEnd };
  return diagnoseEnding(ending, of.evidence?.judged ?? CALM, surroundings);
}

/** Returns the diagnosis of a connection whose handle went to another process, thread or socket. */
export function diagnoseHandedOver(of: Asked, now: Instant): Diagnosis {
  return diagnosisOf(
    "alive",
    HANDED_OVER,
    of.evidence?.judged ?? CALM,
    around(of, now, { path: false, proxy: false }),
  );
}

/** Returns the surroundings that are known without evidence: both ends, label and time. */
export function surroundingsOf(endpoints: Endpoints, label: string | null): Surroundings {
  const { localAddress, localPort, remoteAddress, remotePort } = endpoints;
  return {
    ...UNKNOWN_SURROUNDINGS,
    local: addressOf(localAddress, localPort),
    remote: addressOf(remoteAddress, remotePort),
    label,
    wallClock: wallClockMs(),
  };
}

function around({ socket, evidence, label }: Asked, now: Instant, wanted: LookUps): Surroundings {
  const endpoints = evidence?.endpoints ?? endpointsOf(socket);
  return { ...surroundingsOf(endpoints, label), ...evidence?.surroundings(now, wanted) };
}

function addressOf(address: string | undefined, port: number | undefined): string | null {
  return address === undefined || port === undefined ? null : endpointText(address, port);
}

const HANDED_OVER = {
  cause: "closed-locally",
  certainty: "certain",
  why: ["handed to another process, thread or socket: this one has no descriptor of it any more"],
  unknown: ["how the connection is doing there"],
} as const;
