import { channel } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import type { Diagnosis } from "../core/diagnosis.ts";

/**
 * The message on the diagnostics channel `halfopen:state`, published at every change of state and
 * at the end of a watch.
 */
export interface StateMessage {
  readonly event: "suspect" | "overdue" | "alive" | "dead" | "close";
  readonly socket: Socket;
  readonly diagnosis: Diagnosis;
}

const states = channel("halfopen:state");

export function publishState(message: StateMessage): void {
  if (states.hasSubscribers) states.publish(message);
}
