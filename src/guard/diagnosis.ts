import { diagnose, UNKNOWN_SURROUNDINGS } from "../core/cause/diagnose.ts";
import type { Diagnosis, LocalPath, OtherConnections } from "../core/diagnosis.ts";
import { doubtOf } from "../core/judge/doubt.ts";
import type { Judgement } from "../core/judge/judgement.ts";
import type { Instant } from "../core/time/instant.ts";
import type { Guarded } from "./guarded.ts";

/** Returns the evidence behind a judgement of the guard, in the form that a watch gives. */
export function diagnoseGuarded(
  { info, answers, settings, local, remote, owner }: Guarded,
  judgement: Judgement,
  now: Instant,
  localPath: LocalPath | null,
  others: OtherConnections | null,
): Diagnosis {
  // The doubt is the connection's: a rule may have the judge believe all probes.
  const doubt = doubtOf(answers, judgement);
  return diagnose(
    { ...judgement, doubt },
    {
      ...UNKNOWN_SURROUNDINGS,
      local,
      remote,
      label: owner?.process ?? null,
      info,
      silentForMs: Math.round(Math.max(0, now - judgement.heardAt)),
      wallClock: Date.now(),
      loss: judgement.loss,
      localPath,
      others,
      isQuestioned: settings !== null,
      hasRtoCap: settings?.rtoMaxMs != null,
    },
  );
}
