import type { Socket } from "node:net";
import type { Diagnosis, State } from "../core/diagnosis.ts";
import type { WheelEntry } from "../core/time/timer-wheel.ts";
import type { Applied } from "./applied.ts";
import { type Asked, diagnoseAs, diagnoseEnd } from "./connection-diagnosis.ts";
import { engine } from "./engine.ts";
import { evidenceIn, lastDiagnosisIn, PENDING, type Phase } from "./phase.ts";
import { QuietEnd } from "./quiet-end.ts";
import type { WatchedConnection } from "./subscribers.ts";

/** The properties of a watched connection that can be read at any time. */
export abstract class ConnectionView implements WatchedConnection, WheelEntry {
  wheelNext: WheelEntry | null = null;
  wheelPrevious: WheelEntry | null = null;
  wheelSlot = -1;
  wheelTick = 0;
  readonly socket: Socket;
  state: State = "alive";
  protected phase: Phase = PENDING;
  #quietEnd: QuietEnd | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  get applied(): Applied | null {
    return evidenceIn(this.phase)?.applied ?? null;
  }

  get rttMs(): number | null {
    return evidenceIn(this.phase)?.rttMs ?? null;
  }

  get silentForMs(): number | null {
    const heardAt = evidenceIn(this.phase)?.heardAt ?? null;
    return heardAt === null ? null : Math.max(0, engine.now() - heardAt);
  }

  /** Returns the final diagnosis once there is one, else the diagnosis of this moment. */
  diagnose(): Diagnosis {
    const last = lastDiagnosisIn(this.phase);
    if (last) return last;
    const { asked } = this;
    const now = engine.now();
    if (!this.#quietEnd?.isSeen) return diagnoseAs(this.state, asked, now, true);
    return diagnoseEnd(asked, asked.evidence?.untoldError ?? null, now);
  }

  protected abstract get label(): string | null;

  protected get asked(): Asked {
    return { socket: this.socket, evidence: evidenceIn(this.phase), label: this.label };
  }

  /** Made on first use: the event loop itself reports the end of most connections. */
  protected get quietEnd(): QuietEnd {
    this.#quietEnd ??= new QuietEnd();
    return this.#quietEnd;
  }
}
