/**
 * Long runs have a CI length and a release length; `HALFOPEN_RELEASE=1 npm test` runs the release
 * length.
 */
const isRelease = process.env.HALFOPEN_RELEASE === "1";

export const lengthName: string = isRelease ? "release length" : "CI length";

export function longOrShort<Value>(release: Value, ci: Value): Value {
  return isRelease ? release : ci;
}
