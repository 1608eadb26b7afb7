import type { LocalPath } from "../diagnosis.ts";
import { isRetransmissionRefused, isStuckLocally } from "../judge/reading.ts";
import { printable } from "../printable.ts";
import type { Case } from "./case.ts";

/**
 * Says which part of this host's path to the peer is broken; `null`: none is known to be.
 * Rule 14 (docs/internals/evidence.md#broken-local-path).
 */
export function brokenLocalPath(path: LocalPath | null): string | null {
  if (!path) return null;
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
 * Says what does not leave this host; `null`: nothing is known to stay.
 * Rule 15 (docs/internals/evidence.md#nothing-leaves-this-host).
 */
export function failingHere({ info, unansweredAttempts, areAttemptsLocal }: Case): string | null {
  if (info && isStuckLocally(info))
    return `${info.notSentBytes} bytes wait although the peer's window is open and nothing is in flight: nothing leaves this host`;
  if (!areAttemptsLocal) return null;
  return info && isRetransmissionRefused(info)
    ? `${unansweredAttempts} retransmissions failed on this host: the kernel tried, and none of them left it`
    : `${unansweredAttempts} probes failed on this host: the kernel was asked for them, and none of them left it`;
}
