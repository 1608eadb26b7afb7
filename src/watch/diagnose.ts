import type { Socket } from "node:net";
import { CALM, diagnose as diagnoseState, UNKNOWN_SURROUNDINGS } from "../core/cause/diagnose.ts";
import type { Diagnosis } from "../core/diagnosis.ts";
import type { Judgement } from "../core/judge/judgement.ts";
import { Liveness } from "../core/judge/liveness.ts";
import { heardAgeMs } from "../core/judge/reading.ts";
import { isPastHandshake, type TcpInfo } from "../core/tcp-info.ts";
import type { Instant } from "../core/time/instant.ts";
import { readKeepalive } from "../kernel/options/keepalive.ts";
import { sampleTcpInfo } from "../kernel/tcp-info/tcp-info.ts";
import { surroundingsOf } from "./connection-diagnosis.ts";
import { engine } from "./engine.ts";
import { endpointsOf, openDescriptor } from "./handle.ts";
import { knownPaths } from "./known-paths.ts";
import { settingsOf } from "./settings.ts";
import { connectionOf } from "./socket-events.ts";
import { watchableSocket } from "./watchable.ts";

/**
 * Diagnoses a connection at this moment, without sending anything. For a watched one it returns all
 * that its watch knows, for any other what one reading of the kernel shows.
 *
 * @throws HalfOpenError `ERR_NOT_SUPPORTED` for what is not a TCP socket, `ERR_NOT_CONNECTED` for a
 * destroyed one.
 */
export function diagnose(socket: Socket): Diagnosis {
  const real = watchableSocket(socket);
  const known = connectionOf(real);
  if (known) return known.diagnose();
  const now = engine.now();
  const fd = openDescriptor(real);
  const sample = fd < 0 ? null : sampleTcpInfo(fd);
  const info = typeof sample === "number" ? null : sample;
  const judgement = info && isPastHandshake(info.state) ? judged(info, now) : null;
  // One reading gives a suspicion at most. Before the handshake is over, a repeated SYN is reason
  // enough for one.
  const isDoubtful = judgement ? judgement.state !== "alive" : (info?.retransmits ?? 0) > 0;
  const endpoints = endpointsOf(real);
  return diagnoseState(
    { ...(judgement ?? CALM), state: isDoubtful ? "suspect" : "alive" },
    {
      ...surroundingsOf(endpoints, null),
      info,
      silentForMs: judgement && Math.max(0, now - judgement.heardAt),
      loss: judgement?.loss ?? UNKNOWN_SURROUNDINGS.loss,
      localPath: isDoubtful ? knownPaths.now(null, endpoints, fd) : null,
      isQuestioned: fd >= 0 && readKeepalive(fd).enabled,
    },
  );
}

function judged(info: TcpInfo, now: Instant): Judgement {
  const budget = { budgetMs: settingsOf().detectWithinMs, rtoMaxMs: null, found: 0 };
  return new Liveness(budget, now - (heardAgeMs(info) ?? 0)).observe(now, info);
}
