/** Settings that notice a dead peer within a budget, as one program takes them. */
export interface Advice {
  readonly program: string;
  /** The lines to write. */
  readonly lines: readonly string[];
  /** A limit or condition of the advice; `null`: none. */
  readonly note: string | null;
}

/** Times in whole seconds: all these programs take whole seconds. */
export interface AdvisedKeepalive {
  readonly idleS: number;
  readonly intervalS: number;
  readonly count: number;
  readonly userTimeoutMs: number;
}

const LEAST_PROBES = 3;
/**
 * Longest time that a live peer may keep its window closed. A shorter user timeout would end live
 * connections (tcp_timer.c since 5.11).
 */
const ZERO_WINDOW_TOLERANCE_MS = 60_000;
/**
 * Redis gives up after twice tcp-keepalive: it sends three probes, a third of the value apart
 * (src/anet.c).
 */
const REDIS_SHARE = 0.5;

/**
 * Returns a keepalive of three probes, so that one or two lost packets end no connection. Budgets
 * below 4000 ms are raised to 4000: whole seconds allow no less.
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
  "data in flight is noticed after the user timeout, which must outlast the longest time that a live peer may leave data unread";

/** Programs by the process name that the kernel has, in the order of printing. */
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

/** Returns the advice for the program that a process name stands for; `null`: unknown program. */
export function adviceFor(process: string | null, detectWithinMs: number): Advice | null {
  const found = PROGRAMS.find(({ names }) => process !== null && names.test(process));
  return found?.advise(advisedKeepalive(detectWithinMs), detectWithinMs) ?? null;
}

/** Returns the advice for every known program and for the whole system. */
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
    note: "either line will do; setKeepAlive alone sends 10 probes 1 s apart after the idle time, and does nothing while data is in flight",
  };
}

function nginx({ idleS, intervalS, count }: AdvisedKeepalive): Advice {
  return {
    program: "nginx",
    lines: [
      `listen 443 ssl so_keepalive=${idleS}s:${intervalS}s:${count};`,
      "proxy_socket_keepalive on;",
    ],
    note: "the second line is for upstreams; it only switches keepalive on, with the system's times",
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
    note: `write each item of a comma list on a line of its own (HAProxy >= 2.3); ${IN_FLIGHT_NOTE}`,
  };
}

function postgresql({ idleS, intervalS, count, userTimeoutMs }: AdvisedKeepalive): Advice {
  return {
    program: "PostgreSQL",
    lines: [
      `ALTER SYSTEM SET tcp_keepalives_idle = ${idleS}; ALTER SYSTEM SET tcp_keepalives_interval = ${intervalS}; ALTER SYSTEM SET tcp_keepalives_count = ${count}; ALTER SYSTEM SET tcp_user_timeout = ${userTimeoutMs};`,
      `client: "keepalives_idle=${idleS} keepalives_interval=${intervalS} keepalives_count=${count} tcp_user_timeout=${userTimeoutMs}"`,
    ],
    note: `the server's settings apply to new sessions after SELECT pg_reload_conf(); ${IN_FLIGHT_NOTE}`,
  };
}

function redis(_: AdvisedKeepalive, budgetMs: number): Advice {
  const seconds = Math.max(2, Math.floor((budgetMs / 1000) * REDIS_SHARE));
  return {
    program: "Redis",
    lines: [`CONFIG SET tcp-keepalive ${seconds}`],
    note: "applies to connections accepted from then on; Redis sends three probes a third of the value apart, so it notices a dead peer after twice the value; it sets no user timeout",
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
    note: "net.ListenConfig has the same field; Go has no user timeout of its own: set it by unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, ms)",
  };
}

function sysctl({ idleS, intervalS, count }: AdvisedKeepalive): Advice {
  return {
    program: "the whole system",
    lines: [`halfopen system set --idle ${idleS}s --interval ${intervalS}s --count ${count}`],
    note: "acts only on connections whose program switched keepalive on and set no times of its own",
  };
}
