import { readFileSync } from "node:fs";
import { BpfIterator } from "./bpf-iterator.ts";
import { Btf, BtfError } from "./btf.ts";
import { type SweepProgram, sweepProgram, WANTED_TYPES } from "./descriptor-sweep-program.ts";
import { isMasked } from "./mask.ts";
import type { SystemPort } from "./port.ts";
import { SweepCanary } from "./sweep-canary.ts";
import { RECORD_BYTES } from "./swept-socket.ts";
import { SweptSockets } from "./swept-sockets.ts";

const TYPES = "/sys/kernel/btf/vmlinux";
const PIECE_BYTES = 5500 * RECORD_BYTES;

/** include/uapi/linux/capability.h. For BPF and PERFMON, of Linux 5.8, SYS_ADMIN stands too; for the others it does not. */
const CAP_DAC_OVERRIDE = 1n;
const CAP_DAC_READ_SEARCH = 2n;
const CAP_SYS_PTRACE = 19n;
const CAP_SYS_ADMIN = 21n;
const CAP_PERFMON = 38n;
const CAP_BPF = 39n;

/**
 * Tells of every socket of every process at once, with its settings, by a program that the kernel runs over its own tables: one read for
 * 680 sockets, where link, duplicate, cookie and options take seven calls for one. For root (CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and
 * CAP_DAC_READ_SEARCH), on Linux >= 5.11 with a description of its types. Whatever is missing, and whatever is told wrongly of two sockets
 * of our own, is a refusal: callers look at descriptors one by one then. The memory of other processes is not touched, and no file of
 * theirs is held beyond a read.
 *
 * The program is loaded when it is first needed, once for all runs: each load is a record in the machine's audit log. To be closed.
 */
export class DescriptorSweep {
  readonly #port: SystemPort;
  /** `undefined`: nobody needed it yet; `null`: refused, and not tried again. */
  #iterator: BpfIterator | null | undefined;
  #spare: ArrayBuffer | null = null;

  constructor(port: SystemPort) {
    this.#port = port;
  }

  /** Loads the program unless that was tried before. `false`: refused. */
  prepare(): boolean {
    return this.#prepared() !== null;
  }

  /** 5 MB in which the description of types lay, for whoever needs memory; once. */
  spareMemory(): ArrayBuffer | null {
    const spare = this.#spare;
    this.#spare = null;
    return spare;
  }

  /** `null`: refused, or not to be believed, now and from now on. */
  run(): SweptSockets | null {
    const iterator = this.#prepared();
    const told = iterator && this.#told(iterator);
    if (told === null) this.close();
    return told;
  }

  close(): void {
    this.#iterator?.close();
    this.#iterator = null;
  }

  #prepared(): BpfIterator | null {
    if (this.#iterator === undefined) this.#iterator = this.#load();
    return this.#iterator;
  }

  #load(): BpfIterator | null {
    if (isMasked("bpf") || !mayBeOfUse()) return null;
    const program = this.#write();
    if (program === null) return null;
    const iterator = BpfIterator.load(this.#port, program.instructions, program.attachTo);
    return typeof iterator === "number" ? null : iterator;
  }

  #write(): SweepProgram | null {
    let description: Buffer<ArrayBuffer>;
    try {
      description = readFileSync(TYPES);
    } catch {
      return null; // there is none, or it may not be read: Node's permission model says so in an error of its own
    }
    this.#spare = description.buffer;
    try {
      return sweepProgram(new Btf(description, WANTED_TYPES), { withRtoMax: !isMasked("rto-max") });
    } catch (error) {
      // A RangeError: a member of this kernel lies too far off, or is too long, for one instruction.
      if (error instanceof BtfError || error instanceof RangeError) return null;
      throw error;
    }
  }

  #told(iterator: BpfIterator): SweptSockets | null {
    const canary = SweepCanary.open(this.#port);
    if (canary === null) return null;
    try {
      const pieces = iterator.run(PIECE_BYTES);
      return typeof pieces === "number" ? null : SweptSockets.tested(pieces, canary);
    } finally {
      canary.close();
    }
  }
}

/**
 * As far as /proc/self/status tells: whether this process may load programs, may look into every process one by one too (the sweep is a
 * faster way, not a way to more), and sees in /proc its own pid namespace, whose pids the sweep tells. After `unshare --pid` without a mount of
 * its own /proc shows the one outside, and there a process has a number for each of the two (NSpid, fs/proc/array.c).
 */
function mayBeOfUse(): boolean {
  let status: string;
  try {
    status = readFileSync("/proc/self/status", "latin1");
  } catch {
    return false;
  }
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? 0}`);
  const isAllowed = (capability: bigint): boolean => ((effective >> capability) & 1n) === 1n;
  const mayLoad = isAllowed(CAP_SYS_ADMIN) || (isAllowed(CAP_PERFMON) && isAllowed(CAP_BPF));
  const maySearch = isAllowed(CAP_SYS_PTRACE) && (isAllowed(CAP_DAC_READ_SEARCH) || isAllowed(CAP_DAC_OVERRIDE));
  return mayLoad && maySearch && /^NSpid:\s*(.+)$/m.exec(status)?.[1] === String(process.pid);
}
