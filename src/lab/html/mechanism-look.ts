import { MECHANISMS, type Mechanism } from "../mechanisms.ts";

/** The same colour for a mechanism in every chart. `watch` is 3. */
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

/** The mechanisms that a report holds, in the lab's order. */
export function mechanismsOf(cells: readonly { readonly mechanism: Mechanism }[]): Mechanism[] {
  return MECHANISMS.filter((mechanism) => cells.some((cell) => cell.mechanism === mechanism));
}
