/** Writes a duration as the words of a diagnosis do: `300 ms`, `8.2 s`. */
export function ms(value: number | null): string {
  if (value === null) return "an unknown time";
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

export function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}

export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
