import type { Diagnosis } from "../core/diagnosis.ts";
import type { HalfOpenError } from "../core/errors.ts";
import { merge, type WatchSettings } from "./options.ts";
import type { Sink, WatchEvent, WatchRecord } from "./sink.ts";

/** Several watches of one connection, to it as one. */
class FanOut implements Sink {
  readonly sinks: readonly Sink[];
  readonly settings: WatchSettings;

  constructor(sinks: readonly Sink[]) {
    this.sinks = sinks;
    this.settings = sinks.map((sink) => sink.settings).reduce(merge);
  }

  notify(event: WatchEvent, diagnosis: Diagnosis, connection: WatchRecord): void {
    for (const sink of this.sinks)
      sink.notify(event, labelled(diagnosis, sink.settings), connection);
  }

  unwatched(error: HalfOpenError, connection: WatchRecord): void {
    for (const sink of this.sinks) sink.unwatched(error, connection);
  }
}

/** Each watch has a name of its own for the connection, or none. */
export function labelled(diagnosis: Diagnosis, { label }: WatchSettings): Diagnosis {
  return diagnosis.label === label ? diagnosis : { ...diagnosis, label };
}

export function withSink(to: Sink, sink: Sink): Sink {
  return new FanOut([...sinksOf(to), sink]);
}

/** `null` where nobody is left; the same where `sink` was not among them. */
export function withoutSink(from: Sink, sink: Sink): Sink | null {
  const all = sinksOf(from);
  const left = all.filter((one) => one !== sink);
  if (left.length === all.length) return from;
  return left.length > 1 ? new FanOut(left) : (left[0] ?? null);
}

function sinksOf(sink: Sink): readonly Sink[] {
  return sink instanceof FanOut ? sink.sinks : [sink];
}
