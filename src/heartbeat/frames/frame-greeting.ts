import { HalfOpenError } from "../../core/errors.ts";

/** The versions of the control frames that this release speaks. */
const SPOKEN: VersionRange = { least: 1, most: 1 };
const GREETING = /^HELLO halfopen (\d{1,5})-(\d{1,5})$/;

interface VersionRange {
  readonly least: number;
  readonly most: number;
}

/** The first frame that each end sends. */
export const greeting: string = `HELLO halfopen ${textOf(SPOKEN)}`;

/**
 * Returns the highest version that both ends speak, from the peer's greeting; `null` when `control`
 * is no greeting.
 * @throws HalfOpenError `ERR_PROTOCOL` when the two ends share no version
 */
export function agreeOn(control: string, spoken: VersionRange = SPOKEN): number | null {
  const found = GREETING.exec(control);
  if (!found) return null;

  const theirs: VersionRange = { least: Number(found[1]), most: Number(found[2]) };
  const version = Math.min(spoken.most, theirs.most);
  if (version >= Math.max(spoken.least, theirs.least)) return version;

  throw new HalfOpenError(
    "ERR_PROTOCOL",
    `the peer's halfopen speaks versions ${textOf(theirs)} of the heartbeat frames and this one ${textOf(spoken)}: bring both ends to releases that share one`,
  );
}

function textOf({ least, most }: VersionRange): string {
  return `${least}-${most}`;
}
