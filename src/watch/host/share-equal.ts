/**
 * Returns a function that replaces an object by an equal one among the last {@link REMEMBERED} it
 * returned, so that equal objects take memory once.
 */
export function shareEqual<T extends object>(): (value: T) => T {
  const recent: T[] = [];
  let oldest = 0;
  return (value) => {
    const known = recent.find((one) => hasSameValues(one, value));
    if (known) return known;
    recent[oldest] = value;
    oldest = (oldest + 1) % REMEMBERED;
    return value;
  };
}

/**
 * Most connections share a few objects: idle or in flight, probed or not, under a budget or two.
 */
const REMEMBERED = 8;

function hasSameValues<T extends object>(a: T, b: T): boolean {
  const names = Object.keys(a) as (keyof T)[];
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
