import { MECHANISMS, type Mechanism } from "../mechanisms.ts";

/** Returns the number of a mechanism's colour, the same in every chart. */
export function colourOf(mechanism: Mechanism): number {
  const order: readonly Mechanism[] = [
    "none",
    "system-keepalive",
    "keepalive",
    "watch",
    "keepalive+user-timeout",
    "heartbeat",
  ];
  return Math.max(0, order.indexOf(mechanism)) % 9;
}

/** Returns the mechanisms that occur in a report, in the lab's order. */
export function mechanismsOf(cells: readonly { readonly mechanism: Mechanism }[]): Mechanism[] {
  return MECHANISMS.filter((mechanism) => cells.some((cell) => cell.mechanism === mechanism));
}
