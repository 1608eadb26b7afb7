import type { AuditedConnection } from "../audit/audited-connection.ts";
import type { ConnectionView } from "../audit/connection-view.ts";
import { UsageError } from "./command.ts";
import { OrdinaryJson } from "./ordinary-json.ts";
import { jsonText } from "./output.ts";
import { unknownWord } from "./suggest.ts";

/** A field of a connection in the audit's JSON. */
export type AuditField = keyof AuditedConnection;

type Writer = (view: ConnectionView, memory: JsonMemory) => string;

/** Writes the value of each field, in the order of the output: a contract, see docs/audit.md. */
const WRITERS: Readonly<Record<AuditField, Writer>> = {
  // Addresses and the names of states hold nothing that JSON must escape.
  local: ({ local }) => `"${local}"`,
  remote: ({ remote }) => `"${remote}"`,
  state: ({ state }) => `"${state}"`,
  pid: ({ pid }) => `${pid}`,
  process: ({ process }, memory) => memory.nameText(process),
  cgroup: ({ cgroup }, memory) => memory.nameText(cgroup),
  userId: ({ userId }) => `${userId}`,
  namespace: ({ namespace }, memory) => memory.nameText(namespace),
  settingsFrom: ({ settingsFrom }) => `"${settingsFrom}"`,
  lastHeardMs: ({ lastHeardMs }) => `${lastHeardMs}`,
  unacked: ({ unacked }) => `${unacked}`,
  noticeMs: ({ noticeMs: { idle, inFlight } }) => `{"idle":${idle},"inFlight":${inFlight}}`,
  diagnosis: (view, memory) => memory.ordinary.textOf(view) ?? jsonText(view.diagnosis),
  fd: ({ fd }) => `${fd}`,
  keepalive: ({ keepalive }, memory) => memory.keepaliveText(keepalive),
  userTimeoutMs: ({ userTimeoutMs }) => `${userTimeoutMs}`,
  sendQueueBytes: ({ sendQueueBytes }) => `${sendQueueBytes}`,
};

export const AUDIT_FIELDS: readonly AuditField[] = Object.keys(WRITERS) as AuditField[];

/** Reads a list of fields, as `--fields` takes it; default: all. @throws UsageError */
export function auditFields(text: string | undefined): readonly AuditField[] {
  if (text === undefined) return AUDIT_FIELDS;
  const wanted = text.split(",").map((word) => word.trim());
  for (const word of wanted)
    if (!Object.hasOwn(WRITERS, word))
      throw new UsageError(unknownWord("field", word, AUDIT_FIELDS));
  // A field twice would be two equal keys in one object.
  return [...new Set(wanted)] as AuditField[];
}

/** Writes connections as JSON, field by field: nothing is gathered that is not asked for. */
export class AuditJson {
  readonly #keys: readonly string[];
  readonly #writers: readonly Writer[];
  readonly #memory: JsonMemory = new JsonMemory();

  constructor(fields: readonly AuditField[] = AUDIT_FIELDS) {
    this.#keys = fields.map((field, i) => `${i === 0 ? "{" : ","}"${field}":`);
    this.#writers = fields.map((field) => WRITERS[field]);
  }

  /** Returns one connection. The same as `JSON.stringify` of its fields, without control characters. */
  textOf(view: ConnectionView): string {
    let text = "";
    for (let i = 0; i < this.#keys.length; i++)
      text += (this.#keys[i] as string) + (this.#writers[i] as Writer)(view, this.#memory);
    return `${text}}`;
  }
}

/** Texts that thousands of connections share. */
class JsonMemory {
  readonly ordinary: OrdinaryJson = new OrdinaryJson();
  readonly #names: Map<string, string> = new Map();
  #keepalive: AuditedConnection["keepalive"] = null;
  #keepaliveText = "null";

  nameText(name: string | null): string {
    if (name === null) return "null";
    let text = this.#names.get(name);
    if (text === undefined) {
      if (this.#names.size >= MOST_NAMES) this.#names.clear();
      text = jsonText(name);
      this.#names.set(name, text);
    }
    return text;
  }

  /** Equal settings of successive connections are one object. */
  keepaliveText(keepalive: AuditedConnection["keepalive"]): string {
    if (keepalive !== this.#keepalive) {
      this.#keepalive = keepalive;
      this.#keepaliveText = jsonText(keepalive);
    }
    return this.#keepaliveText;
  }
}

const MOST_NAMES = 4096;
