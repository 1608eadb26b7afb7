import { parseArgs } from "node:util";
import { takeAudit } from "../audit/audit.ts";
import type { AuditedConnection } from "../audit/audited-connection.ts";
import { printable } from "../core/printable.ts";
import { MATCH_ALL } from "../survey/connection-filter.ts";
import { type Advice, adviceFor, allAdvice } from "./advice.ts";
import { type Command, type ExitCode, UsageError } from "./command.ts";
import { detectWithin } from "./detect-within.ts";
import { explanation } from "./explanation.ts";
import { machinePort, whereAllowed } from "./linux-only.ts";
import { print, rendered } from "./output.ts";
import { remedyFor } from "./remedy.ts";

const HELP = `Usage: halfopen explain ADDRESS [options]

Explains one connection: what the kernel knows, what will happen when the peer is gone, what to
change and how.
ADDRESS is either end as halfopen audit prints it: 10.0.0.2:5432, [fd00::2]:5432, or :5432 when only
one connection has that port.

  --detect-within 10s      the time in which a dead peer should be noticed, for the advice;
                           default 10s
  --all                    advice for every known program, not only for the owner of the connection
  --all-namespaces         also searches other network namespaces (containers); needs root
  --json                   prints JSON

Exit code: 0 a dead peer would be noticed, 1 it would not, or the peer is dead now,
2 usage, no such connection or several, 3 not permitted or not supported.
`;

export const explain: Command = { help: HELP, run };

const MOST_LISTED = 10;

async function run(args: readonly string[]): Promise<ExitCode> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      "detect-within": { type: "string" },
      all: { type: "boolean" },
      "all-namespaces": { type: "boolean" },
      json: { type: "boolean" },
    },
  });
  const [address, ...more] = positionals;
  if (address === undefined || more.length > 0)
    throw new UsageError("halfopen explain takes one address, as halfopen audit prints it");

  const detectWithinMs = detectWithin(values["detect-within"]);
  const end = endOf(address);
  const port = machinePort("explain");
  const filter = { ...MATCH_ALL, ports: [end.port] };
  const audit = await whereAllowed(async () =>
    takeAudit(port, { filter, allNamespaces: values["all-namespaces"] ?? false, detectWithinMs }),
  );
  const connection = onlyOne(address, [...audit.connections()], end);

  const own = adviceFor(connection.process, detectWithinMs);
  const advice: Advice[] = values.all || !own ? allAdvice(detectWithinMs) : [own];
  print(
    rendered(
      { connection, advice, remedy: remedyFor(connection.diagnosis?.cause) },
      values.json ? "json" : (it) => explanation(it.connection, it.advice, detectWithinMs),
    ),
  );
  return connection.diagnosis?.state === "dead" || connection.noticeMs.idle === null ? 1 : 0;
}

interface End {
  /** `null`: any address. */
  readonly host: string | null;
  readonly port: number;
}

function endOf(text: string): End {
  const [, host = "", digits = ""] = /^(.*?):?(\d{1,5})$/.exec(text) ?? [];
  const port = digits === "" ? Number.NaN : Number(digits);
  const isWhole = host === "" || text.endsWith(`:${digits}`);
  if (!(port <= 65_535) || !isWhole) {
    throw new UsageError(
      `${JSON.stringify(text)} is no address; write 10.0.0.2:5432, [fd00::2]:5432 or :5432`,
    );
  }
  return { host: host === "" ? null : host.replace(/^\[(.*)\]$/, "$1").toLowerCase(), port };
}

function isEnd(text: string, { host, port }: End): boolean {
  const at = text.lastIndexOf(":");
  if (Number(text.slice(at + 1)) !== port) return false;
  return host === null || text.slice(0, at).replace(/^\[(.*)\]$/, "$1") === host;
}

/**
 * Returns the one connection with an end at `address`. A connection inside this machine is listed
 * from both ends; then the entry whose local address matches is taken.
 */
function onlyOne(
  address: string,
  connections: readonly AuditedConnection[],
  end: End,
): AuditedConnection {
  const byLocal = connections.filter(({ local }) => isEnd(local, end));
  if (byLocal.length === 1 && byLocal[0]) return byLocal[0];
  const found = connections.filter(({ local, remote }) => isEnd(local, end) || isEnd(remote, end));

  const [first, second] = found;
  if (!first)
    throw new UsageError(`no connection has an end at ${address}; halfopen audit lists them`);
  if (!second) return first;

  const list = found
    .slice(0, MOST_LISTED)
    .map(
      ({ local, remote, process, pid }) =>
        `  ${local} -> ${remote}  ${printable(process ?? "?")} ${pid ?? ""}`,
    );
  const rest = found.length > MOST_LISTED ? `\n  and ${found.length - MOST_LISTED} more` : "";
  throw new UsageError(
    `${found.length} connections have an end at ${address}; give the other end or the whole address:\n${list.join("\n")}${rest}`,
  );
}
