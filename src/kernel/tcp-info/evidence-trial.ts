import type { TcpInfo } from "../../core/tcp-info.ts";
import { monotonicMs } from "../clock.ts";
import { int } from "../port/int.ts";
import { platform } from "../port/platform.ts";
import {
  IPPROTO_TCP,
  SO_LINGER,
  SOCK_NONBLOCK,
  SOL_SOCKET,
  TCP_NODELAY,
  TCP_QUICKACK,
} from "../port/platform-linux.ts";
import type { SystemPort } from "../port/port.ts";
import { decodeTcpInfo } from "./codec-linux.ts";

/**
 * Tries on a connection of our own whether the fields of this kernel's TCP_INFO move as a
 * connection does. Returns the fields that do not; none where nothing could be tried, without a
 * loopback interface say. A field that never moves would look like a peer that was heard just now,
 * or like data that was acknowledged.
 *
 * The connection is one socket, connected to itself over the loopback interface. It needs no
 * privilege, no second socket and no event loop. The trial waits until an age has moved, for a
 * jiffy at most: it took 4 ms (HZ=250), and up to 80 ms where an age never moves. A reset closes
 * the socket, so nothing is left of it.
 *
 * A field counts as unmoved if it was so in two trials: on a busy machine this process may be
 * stopped in the middle of one.
 */
export function unmovedFields(port: SystemPort): string[] {
  const unmoved = tried(port);
  return unmoved.length === 0 ? [] : tried(port).filter((field) => unmoved.includes(field));
}

function tried(port: SystemPort): string[] {
  const fd = port.socket(platform.addressFamily.inet, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (fd < 0) return [];
  try {
    return connectToItself(port, fd) ? unmovedOn(new OwnConnection(port, fd)) : [];
  } finally {
    port.setsockopt(fd, SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE);
    port.close(fd);
  }
}

function connectToItself(port: SystemPort, fd: number): boolean {
  const address = LOOPBACK.slice();
  if (port.bind(fd, address) < 0 || port.getsockname(fd, address) < 0) return false;
  const result = port.connect(fd, address);
  return result === 0 || result === -EINPROGRESS;
}

function unmovedOn(own: OwnConnection): string[] {
  if (!own.until(() => own.last.state === "ESTABLISHED")) return [];
  const fresh = own.last;

  // Acknowledgments are delayed, so this data stays in flight until the next one is sent.
  own.send();
  const isFlightSeen =
    (own.last.unackedSegments ?? 1) > 0 || hasMoved("bytesAcked", fresh, own.last);

  // The ages grow with the clock. Before any data came its age counts from the machine's start.
  own.until(() => (own.last.lastDataReceivedMs ?? 0) < LONGEST_TRIAL_MS);
  const { last: before, readAt } = own;
  own.until(() => AGES.every((age) => (own.last[age] ?? 1) > (before[age] ?? 0)));
  const passedMs = monotonicMs() - readAt + LONGEST_JIFFY_MS;
  const growing = AGES.filter((age) => {
    const grownMs = (own.last[age] ?? 1) - (before[age] ?? 0);
    return grownMs > 0 && grownMs <= passedMs;
  });

  // Each new segment acknowledges the one before it: everything is heard anew.
  const fallen = new Set<Age>();
  own.until(() => {
    const { last: old } = own;
    own.send();
    for (const age of AGES) if ((own.last[age] ?? 0) < (old[age] ?? 1)) fallen.add(age);
    return fallen.size === AGES.length && COUNTS.every((it) => hasMoved(it, fresh, own.last));
  });

  const moved = new Set<string>(growing.filter((age) => fallen.has(age)));
  for (const count of COUNTS) if (hasMoved(count, fresh, own.last)) moved.add(count);
  if (isFlightSeen) moved.add("unackedSegments");
  if (own.last.sendWindowBytes !== 0) moved.add("sendWindowBytes");
  return FIELDS.filter((field) => !moved.has(field));
}

/** A socket of ours that is connected to itself, and the last reading of it. */
class OwnConnection {
  last: TcpInfo;
  /** When the last reading was taken, or shortly before. */
  readAt = 0;
  readonly #port: SystemPort;
  readonly #fd: number;
  readonly #bytes: Uint8Array = new Uint8Array(512);

  constructor(port: SystemPort, fd: number) {
    this.#port = port;
    this.#fd = fd;
    port.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, int(1));
    port.setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, int(0));
    this.last = this.#read();
  }

  send(): void {
    this.#port.send(this.#fd, ONE_BYTE, MSG_NOSIGNAL);
    this.last = this.#read();
  }

  /** Reads again until `isSo` holds; `false`: it never did. */
  until(isSo: () => boolean): boolean {
    for (let naps = 0; !isSo(); naps++) {
      if (naps === MOST_NAPS) return false;
      Atomics.wait(NAP, 0, 0, 1);
      this.last = this.#read();
    }
    return true;
  }

  #read(): TcpInfo {
    this.readAt = monotonicMs();
    const option = platform.tcpInfo?.option ?? -1;
    const length = this.#port.getsockopt(this.#fd, IPPROTO_TCP, option, this.#bytes);
    return decodeTcpInfo(new DataView(this.#bytes.buffer), Math.max(0, length));
  }
}

/** A field that this kernel does not report is not missed. */
function hasMoved(count: Count, before: TcpInfo, now: TcpInfo): boolean {
  return now[count] === undefined || now[count] !== before[count];
}

const AGES = ["lastDataSentMs", "lastDataReceivedMs", "lastAckReceivedMs"] as const;
type Age = (typeof AGES)[number];
const COUNTS = [
  "bytesAcked",
  "bytesReceived",
  "segmentsIn",
  "dataSegmentsIn",
  "dataSegmentsOut",
  "deliveredSegments",
] as const;
type Count = (typeof COUNTS)[number];
/** The fields that a judgement rests on, as far as a healthy connection moves them. */
const FIELDS: readonly string[] = [...AGES, ...COUNTS, "unackedSegments", "sendWindowBytes"];

const SOCK_STREAM = 1;
const EINPROGRESS = 115;
const MSG_NOSIGNAL = 0x4000;
const ONE_BYTE = new Uint8Array(1);
/** struct linger { int l_onoff = 1; int l_linger = 0; } */
const RESET_ON_CLOSE = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);
/** struct sockaddr_in: 127.0.0.1, any port. */
const LOOPBACK = new Uint8Array([2, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);

/** No trial takes as long; no machine answers sooner after its start. */
const LONGEST_TRIAL_MS = 10_000;
/** HZ=100. */
const LONGEST_JIFFY_MS = 10;
/** Naps of 1 ms until an age must have moved. */
const MOST_NAPS = 25;
const NAP = new Int32Array(new SharedArrayBuffer(4));
