import type { ConnectionView } from "../audit/connection-view.ts";
import { type OrdinaryFrame, ordinaryDiagnosis } from "../audit/verdict-now.ts";
import { ms } from "../core/cause/words.ts";
import { jsonText } from "./output.ts";

/**
 * Diagnoses of connections in order, as JSON. Those of one program differ in the ends and the age
 * only, so each is a form that is filled in: a tenth of the time of a diagnosis and its JSON.
 *
 * The form is made from the diagnosis of a connection with ends and an age that no other text
 * holds. Where one of them is not found exactly as often as expected, there is no form.
 */
export class OrdinaryJson {
  readonly #forms: Map<string, Form | null> = new Map();
  #last: { readonly frame: OrdinaryFrame; readonly form: Form | null } | null = null;

  /** Returns `null` for a connection that is not in order, or has no form. */
  textOf(view: ConnectionView): string | null {
    const { ordinaryFrame: frame } = view;
    const age = view.lastHeardMs;
    const form = frame && this.#formOf(frame);
    return form && age !== null && frame ? filled(form, view, age, frame.wallClock) : null;
  }

  #formOf(frame: OrdinaryFrame): Form | null {
    const last = this.#last;
    if (last && isSameFrame(frame, last.frame)) return last.form;

    const { keepalive, rtoMaxMs, process, unknown } = frame;
    const key = JSON.stringify([keepalive.enabled, rtoMaxMs, process, unknown]);
    let form = this.#forms.get(key);
    if (form === undefined) {
      if (this.#forms.size >= MOST_FORMS) this.#forms.clear();
      form = formOf(frame);
      this.#forms.set(key, form);
    }
    this.#last = { frame, form };
    return form;
  }
}

/** Text, and in front of each further piece what is filled in there. */
interface Form {
  readonly head: string;
  readonly rest: readonly { readonly blank: Blank; readonly text: string }[];
}

type Blank = "local" | "remote" | "age" | "ageText" | "since";

/** No process has a name this long, and no other text of a diagnosis holds them. */
const LOCAL = "<the local end of the form>";
const REMOTE = "<the remote end of the form>";
const AGE_MS = 1_234_567_890_123_456;

function formOf(frame: OrdinaryFrame): Form | null {
  const row = { local: LOCAL, remote: REMOTE, heardAgeMs: AGE_MS };
  const json = jsonText(ordinaryDiagnosis(row, frame));
  const since = String(Math.round(frame.wallClock - AGE_MS));
  const blanks: readonly [Blank, string][] = [
    ["local", LOCAL],
    ["remote", REMOTE],
    ["age", String(AGE_MS)],
    ["ageText", ms(AGE_MS)],
    ["since", since],
  ];

  const found = blanks.flatMap(([blank, text]) => {
    const at = json.indexOf(text);
    return at >= 0 && json.indexOf(text, at + 1) < 0 ? [{ blank, at, end: at + text.length }] : [];
  });
  if (found.length !== blanks.length) return null;

  found.sort((a, b) => a.at - b.at);
  return {
    head: json.slice(0, found[0]?.at),
    rest: found.map(({ blank, end }, i) => ({ blank, text: json.slice(end, found[i + 1]?.at) })),
  };
}

function filled(
  { head, rest }: Form,
  view: ConnectionView,
  age: number,
  wallClock: number,
): string {
  let json = head;
  for (const { blank, text } of rest) {
    if (blank === "local") json += view.local;
    else if (blank === "remote") json += view.remote;
    else if (blank === "age") json += age;
    else if (blank === "ageText") json += ms(age);
    else json += Math.round(wallClock - age);
    json += text;
  }
  return json;
}

function isSameFrame(a: OrdinaryFrame, b: OrdinaryFrame): boolean {
  return (
    a.keepalive.enabled === b.keepalive.enabled &&
    a.rtoMaxMs === b.rtoMaxMs &&
    a.process === b.process &&
    a.unknown === b.unknown &&
    a.wallClock === b.wallClock
  );
}

const MOST_FORMS = 4096;
