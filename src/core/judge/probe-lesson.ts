import type { TcpInfo } from "../tcp-info.ts";
import type { Instant } from "../time/instant.ts";
import type { Attempts } from "./attempts.ts";
import type { Flow } from "./flow.ts";
import type { Lesson } from "./loss-belief.ts";
import type { PathTiming } from "./path-timing.ts";

/**
 * What of a silence that is over is to be learned of the path's loss; `null`: nothing.
 * `areOrdinary`: the peer answers each probe that arrives.
 */
export function lessonOf(
  attempts: Attempts,
  flow: Flow,
  info: TcpInfo,
  heardAt: Instant,
  timing: PathTiming,
  areOrdinary: boolean,
): Lesson | null {
  if (flow === "in-flight" || attempts.areLocal) return null;
  // Data that the peer sends of its own accord answers nothing.
  const isData = (info.lastAckReceivedMs ?? 0) >= (info.lastDataReceivedMs ?? 0);
  if ((attempts.count === 0 || !areOrdinary) && isData) return null;
  if (!areOrdinary) return { attempts: 1, lost: 0, from: heardAt, to: heardAt };
  // Window probes that follow one another faster than a peer may answer them are not lost when
  // unanswered: the first ones are such.
  if (flow === "blocked" && timing.unclearWindowProbes({ ...info, probes: attempts.count + 1 }) > 0)
    return null;
  const lost = attempts.lostWhen(heardAt, timing.rttMs, timing.answerWindowMs);
  return { attempts: lost + 1, lost, from: attempts.firstAt, to: attempts.lastAtLatest };
}
