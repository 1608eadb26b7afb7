import { type Lesson, SHORT_PATH_MS, weightAmong } from "./loss-belief.ts";
import { type Answered, answeredIn } from "./path-delay.ts";
import type { PeerGroup, RouteGroup } from "./peer-groups.ts";

/** What happened: a round trip of the path was measured. */
export function metInGroup(group: PeerGroup, rttMs: number): void {
  // The first one may be far too long, say when the last acknowledgment of a handshake was lost.
  if (group.isMet || rttMs > SHORT_PATH_MS) return;
  group.isMet = true;
  group.loss.isShort();
}

/**
 * What happened: `attempts` of one connection of the group were answered at the first try. `probe`:
 * the answer to a standing probe among them; default none is known.
 */
export function answeredInGroup(
  group: PeerGroup,
  attempts: number,
  probe: Answered | null = null,
): void {
  if (probe) answeredIn(group, probe);
  group.loss.record(attempts, 0, weightAmong(group.total));
  group.route.loss.record(attempts, 0, weightAmong(group.route.total));
}

/** Records what one connection of the group lost, for all of the group and of the route. */
export function recordInGroup(group: PeerGroup, lesson: Lesson): void {
  learn(group, lesson);
  learn(group.route, lesson);
}

/** Records the losses of one gap only once: many connections lose something in one outage. */
function learn(heard: PeerGroup | RouteGroup, { attempts, lost, from, to }: Lesson): void {
  const { loss } = heard;
  const weight = weightAmong(heard.total);
  const isInGap =
    lost > 0 && from >= heard.gapFrom - GAP_SLACK_MS && to <= heard.gapTo + GAP_SLACK_MS;
  if (isInGap && heard.isGapLearned) loss.record(attempts - lost, 0, weight);
  else loss.record(attempts, lost, weight);
  heard.isGapLearned ||= isInGap;
}

/** The instants of attempts are known only between two readings. */
const GAP_SLACK_MS = 300;
