import type { TcpInfo } from "../../core/tcp-info.ts";
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
 */
export function unmovedFields(port: SystemPort): string[] {
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

  own.until(() => AGES.every((age) => isYoung(own, age)));
  const before = own.last;
  own.until(() => AGES.every((age) => (own.last[age] ?? 1) > (before[age] ?? 0)));
  const aged = own.last;
  const hasGrown = (age: Age): boolean =>
    (aged[age] ?? 1) > (before[age] ?? 0) && isYoung(own, age);
  const growing = AGES.filter(hasGrown);

  own.send();
  const hasFallen = (age: Age): boolean => (own.last[age] ?? 0) < (aged[age] ?? 1);
  const counts = (): readonly Count[] => COUNTS.filter((count) => hasMoved(count, fresh, own.last));
  own.until(() => AGES.every(hasFallen) && counts().length === COUNTS.length);

  const moved = new Set<string>([...growing.filter(hasFallen), ...counts()]);
  if (isFlightSeen) moved.add("unackedSegments");
  if (own.last.sendWindowBytes !== 0) moved.add("sendWindowBytes");
  return FIELDS.filter((field) => !moved.has(field));
}

/** A socket of ours that is connected to itself, and the last reading of it. */
class OwnConnection {
  last: TcpInfo;
  readonly #port: SystemPort;
  readonly #fd: number;
  readonly #bytes: Uint8Array = new Uint8Array(512);
  #sentAt = 0;

  constructor(port: SystemPort, fd: number) {
    this.#port = port;
    this.#fd = fd;
    port.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, int(1));
    port.setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, int(0));
    this.last = this.#read();
  }

  /** How long ago data was sent, in ms: no age can be longer. */
  get sentForMs(): number {
    return performance.now() - this.#sentAt;
  }

  send(): void {
    this.#sentAt = performance.now();
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
    const option = platform.tcpInfo?.option ?? -1;
    const length = this.#port.getsockopt(this.#fd, IPPROTO_TCP, option, this.#bytes);
    return decodeTcpInfo(new DataView(this.#bytes.buffer), Math.max(0, length));
  }
}

function isYoung(own: OwnConnection, age: Age): boolean {
  return (own.last[age] ?? 0) <= own.sentForMs + LONGEST_JIFFY_MS;
}

/** A field that this kernel does not report is not missed. */
function hasMoved(count: Count, before: TcpInfo, now: TcpInfo): boolean {
  return now[count] === undefined || now[count] !== before[count];
}

function int(value: number): Uint8Array {
  return new Uint8Array(new Int32Array([value]).buffer);
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

/** HZ=100. */
const LONGEST_JIFFY_MS = 10;
/** Naps of 1 ms until an age must have moved. */
const MOST_NAPS = 25;
const NAP = new Int32Array(new SharedArrayBuffer(4));
