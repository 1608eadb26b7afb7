import type { LocalPath } from "../diagnosis.ts";
import { isRetransmissionRefused, isStuckLocally } from "../judge/reading.ts";
import { printable } from "../printable.ts";
import type { Case, Finding } from "./case.ts";

/**
 * Says which part of this host's path to the peer is broken; `null`: none is known to be.
 * Rule 16 (docs/internals/evidence.md#broken-local-path).
 */
export function brokenLocalPath(path: LocalPath | null): string | null {
  if (!path || path.wasInOrder === false) return null;
  if (path.linkUp === false)
    return `our interface ${printable(path.interfaceName ?? "")} is down or has no carrier`.replace(
      "  ",
      " ",
    );
  if (path.hasSourceAddress === false) return "our source address is gone from this host";
  if (path.hasRoute === false) return "this host has no route to the peer";
  return null;
}

/**
 * Returns how sure a broken path is, and what stays unknown. A fault that is new is certain. One
 * that nobody compared with better times may belong to another way than the connection's.
 */
export function brokenPathCertainty(
  path: LocalPath | null,
): Pick<Finding, "certainty" | "unknown"> {
  return path?.wasInOrder === true
    ? { certainty: "certain", unknown: [] }
    : { certainty: "medium", unknown: [WAS_NOT_EXAMINED] };
}

const WAS_NOT_EXAMINED =
  "whether the connection takes the way that was looked up: it was not looked up while the peer answered, and policy routing, a mark or another network namespace may lead elsewhere";

/**
 * Says what does not leave this host; `null`: nothing is known to stay.
 * Rule 17 (docs/internals/evidence.md#nothing-leaves-this-host).
 */
export function failingHere({ info, unansweredAttempts, areAttemptsLocal }: Case): string | null {
  if (info && isStuckLocally(info))
    return `${info.notSentBytes} bytes wait although the peer's window is open and nothing is in flight: nothing leaves this host`;
  if (!areAttemptsLocal) return null;
  return info && isRetransmissionRefused(info)
    ? `${unansweredAttempts} retransmissions failed on this host: the kernel tried, and none of them left it`
    : `${unansweredAttempts} probes failed on this host: the kernel was asked for them, and none of them left it`;
}
