/**
 * The keepalive and user timeout that would notice a dead peer within a budget, and how each
 * program is told.
 */
export interface Advice {
  readonly program: string;
  /** What to write, one line each. */
  readonly lines: readonly string[];
  /** What remains, or must be known; `null` = nothing. */
  readonly note: string | null;
}

/** Whole seconds, as every one of these programs takes them. */
export interface AdvisedKeepalive {
  readonly idleS: number;
  readonly intervalS: number;
  readonly count: number;
  readonly userTimeoutMs: number;
}

const LEAST_PROBES = 3;
/**
 * Below the longest pause in which a live peer may not read, a user timeout would end live
 * connections (tcp_timer.c since 5.11).
 */
const ZERO_WINDOW_TOLERANCE_MS = 60_000;
/**
 * Redis sends its probes a third of tcp-keepalive apart and gives up after three: twice the value
 * in all (src/anet.c).
 */
const REDIS_SHARE = 0.5;

/**
 * At least three probes, so that one or two lost packets kill nobody. `detectWithinMs` of 4000 at
 * least: whole seconds allow no less.
 */
export function advisedKeepalive(detectWithinMs: number): AdvisedKeepalive {
  const budgetS = Math.max(LEAST_PROBES + 1, Math.floor(detectWithinMs / 1000));
  const intervalS = Math.max(1, Math.floor(budgetS / (2 * LEAST_PROBES)));
  const idleS = budgetS - LEAST_PROBES * intervalS;
  return {
    idleS,
    intervalS,
    count: LEAST_PROBES,
    userTimeoutMs: Math.max(ZERO_WINDOW_TOLERANCE_MS, budgetS * 1000),
  };
}

const IN_FLIGHT_NOTE =
  "data in flight is then noticed after the user timeout, which must outlast the longest time that a live peer may not read";

/** By the name of the process as the kernel has it; the order is that of printing. */
const PROGRAMS: readonly {
  readonly names: RegExp;
  advise(keepalive: AdvisedKeepalive, budgetMs: number): Advice;
}[] = [
  { names: /^(node|MainThread|npm|npx)/, advise: node },
  { names: /^nginx/, advise: nginx },
  { names: /^haproxy/, advise: haproxy },
  { names: /^(postgres|psql|pgbouncer)/, advise: postgresql },
  { names: /^(redis|valkey)/, advise: redis },
  { names: /^java/, advise: jvm },
  { names: /^python/, advise: python },
  { names: /^go\b/, advise: go },
];

/** For the program that this process is, as far as its name tells; `null` = not known. */
export function adviceFor(process: string | null, detectWithinMs: number): Advice | null {
  const found = PROGRAMS.find(({ names }) => process !== null && names.test(process));
  return found?.advise(advisedKeepalive(detectWithinMs), detectWithinMs) ?? null;
}

/** For every program known here, and for the whole system. */
export function allAdvice(detectWithinMs: number): Advice[] {
  const keepalive = advisedKeepalive(detectWithinMs);
  return [...PROGRAMS.map(({ advise }) => advise(keepalive, detectWithinMs)), sysctl(keepalive)];
}

function node({ idleS }: AdvisedKeepalive, budgetMs: number): Advice {
  return {
    program: "Node.js",
    lines: [
      `import { watch } from "halfopen"; watch(socket, { detectWithinMs: ${budgetMs} });`,
      `socket.setKeepAlive(true, ${idleS * 1000});`,
    ],
    note: "either of them; setKeepAlive alone sends 10 probes 1 s apart after the idle time, and helps nothing while data is in flight",
  };
}

function nginx({ idleS, intervalS, count }: AdvisedKeepalive): Advice {
  return {
    program: "nginx",
    lines: [
      `listen 443 ssl so_keepalive=${idleS}s:${intervalS}s:${count};`,
      "proxy_socket_keepalive on;",
    ],
    note: "the second line, for upstreams, only switches keepalive on: its times are the system's",
  };
}

function haproxy({ idleS, intervalS, count, userTimeoutMs }: AdvisedKeepalive): Advice {
  const times = (side: string): string =>
    `${side}-idle ${idleS}s, ${side}-intvl ${intervalS}s, ${side}-cnt ${count}`;
  return {
    program: "HAProxy",
    lines: [
      `option clitcpka, ${times("clitcpka")}`,
      `option srvtcpka, ${times("srvtcpka")}`,
      `bind :443 tcp-ut ${userTimeoutMs}ms`,
      `server name address tcp-ut ${userTimeoutMs}ms`,
    ],
    note: `each of the comma list on a line of its own (HAProxy >= 2.3); ${IN_FLIGHT_NOTE}`,
  };
}

function postgresql({ idleS, intervalS, count, userTimeoutMs }: AdvisedKeepalive): Advice {
  return {
    program: "PostgreSQL",
    lines: [
      `ALTER SYSTEM SET tcp_keepalives_idle = ${idleS}; ALTER SYSTEM SET tcp_keepalives_interval = ${intervalS}; ALTER SYSTEM SET tcp_keepalives_count = ${count}; ALTER SYSTEM SET tcp_user_timeout = ${userTimeoutMs};`,
      `client: "keepalives_idle=${idleS} keepalives_interval=${intervalS} keepalives_count=${count} tcp_user_timeout=${userTimeoutMs}"`,
    ],
    note: `the server's for new sessions after SELECT pg_reload_conf(); ${IN_FLIGHT_NOTE}`,
  };
}

function redis(_: AdvisedKeepalive, budgetMs: number): Advice {
  const seconds = Math.max(2, Math.floor((budgetMs / 1000) * REDIS_SHARE));
  return {
    program: "Redis",
    lines: [`CONFIG SET tcp-keepalive ${seconds}`],
    note: "for connections accepted from then on; Redis sends three probes a third of that apart, so that a dead peer is noticed after twice the value; it sets no user timeout",
  };
}

function jvm({ idleS, intervalS, count }: AdvisedKeepalive): Advice {
  return {
    program: "JVM (11 and later)",
    lines: [
      "socket.setKeepAlive(true);",
      `socket.setOption(ExtendedSocketOptions.TCP_KEEPIDLE, ${idleS}); socket.setOption(ExtendedSocketOptions.TCP_KEEPINTERVAL, ${intervalS}); socket.setOption(ExtendedSocketOptions.TCP_KEEPCOUNT, ${count});`,
    ],
    note: "the JDK has no user timeout; Netty's epoll transport has EpollChannelOption.TCP_USER_TIMEOUT",
  };
}

function python({ idleS, intervalS, count, userTimeoutMs }: AdvisedKeepalive): Advice {
  const set = (option: string, value: number): string =>
    `s.setsockopt(socket.IPPROTO_TCP, socket.${option}, ${value})`;
  return {
    program: "Python",
    lines: [
      "s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)",
      `${set("TCP_KEEPIDLE", idleS)}; ${set("TCP_KEEPINTVL", intervalS)}; ${set("TCP_KEEPCNT", count)}`,
      set("TCP_USER_TIMEOUT", userTimeoutMs),
    ],
    note: IN_FLIGHT_NOTE,
  };
}

function go({ idleS, intervalS, count }: AdvisedKeepalive): Advice {
  return {
    program: "Go (1.23 and later)",
    lines: [
      `net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: ${idleS} * time.Second, Interval: ${intervalS} * time.Second, Count: ${count}}}`,
    ],
    note: "net.ListenConfig has the same field; Go has no user timeout of its own, unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, ms) sets it",
  };
}

function sysctl({ idleS, intervalS, count }: AdvisedKeepalive): Advice {
  return {
    program: "the whole system",
    lines: [`halfopen system set --idle ${idleS}s --interval ${intervalS}s --count ${count}`],
    note: "acts only on connections whose program switched keepalive on and set no times of its own",
  };
}
