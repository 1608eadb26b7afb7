import { readSync } from "node:fs";
import { INSTRUCTION_BYTES } from "./bpf-assembler.ts";
import type { SystemPort } from "./port.ts";

/** include/uapi/linux/bpf.h: commands, and what an iterator's program is. */
const BPF_PROG_LOAD = 5;
const BPF_LINK_CREATE = 28;
const BPF_ITER_CREATE = 33;
const BPF_PROG_TYPE_TRACING = 26;
const BPF_TRACE_ITER = 28;
/** Seen in `bpftool prog` while it is loaded; 15 characters at most. */
const NAME = "halfopen_audit";
/** The helpers that a tracing program needs are for programs that say they may be used under the GPL. This package's licence is MIT. */
const LICENSE: Uint8Array = new TextEncoder().encode("Dual MIT/GPL\0");
/** Of union bpf_attr, as far as each command reads it. */
const LOAD_BYTES = 120;
const LINK_BYTES = 32;
const CREATE_BYTES = 8;

const EAGAIN = 11;
/** The check of a program gives up with EAGAIN when a signal arrives, as a profiler sends them (kernel/bpf/verifier.c). */
const MOST_TRIES = 5;

/** A read that met a million objects and told of none says EAGAIN, for the next to go on. So often: more objects than there can be. */
const MOST_EMPTY_READS = 1000;

/** A program that the kernel runs for each of its objects while its answer is read. What it may do is the program's affair, within what the kernel lets pass. */
export class BpfIterator {
  readonly #port: SystemPort;
  readonly #program: number;

  private constructor(port: SystemPort, program: number) {
    this.#port = port;
    this.#program = program;
  }

  /**
   * Has the kernel check and load the program. `attachTo`: the number of the iterator's function among the kernel's types. A negative
   * number is -errno: EPERM without CAP_BPF and CAP_PERFMON, ENOSYS, EINVAL and EACCES for a program that is not safe on this kernel.
   */
  static load(port: SystemPort, instructions: Uint8Array, attachTo: number): BpfIterator | number {
    const attributes = Buffer.alloc(LOAD_BYTES);
    attributes.writeUInt32LE(BPF_PROG_TYPE_TRACING, 0);
    attributes.writeUInt32LE(instructions.length / INSTRUCTION_BYTES, 4);
    attributes.writeBigUInt64LE(port.addressOf(instructions), 8);
    attributes.writeBigUInt64LE(port.addressOf(LICENSE), 16);
    attributes.write(NAME, 48, "latin1");
    attributes.writeUInt32LE(BPF_TRACE_ITER, 68);
    attributes.writeUInt32LE(attachTo, 108);
    for (let tries = 1; ; tries++) {
      const program = port.bpf(BPF_PROG_LOAD, attributes);
      if (program >= 0) return new BpfIterator(port, program);
      if (program !== -EAGAIN || tries === MOST_TRIES) return program;
    }
  }

  /** Goes over all objects. Returns what the program wrote, see {@link readAll}; a negative number is -errno. */
  run(pieceBytes: number): Buffer[] | number {
    const link = this.#create(BPF_LINK_CREATE, LINK_BYTES, (attributes) => {
      attributes.writeUInt32LE(this.#program, 0);
      attributes.writeUInt32LE(BPF_TRACE_ITER, 8);
    });
    if (link < 0) return link;
    try {
      const reader = this.#create(BPF_ITER_CREATE, CREATE_BYTES, (attributes) => attributes.writeUInt32LE(link, 0));
      if (reader < 0) return reader;
      try {
        return readAll((into) => readSync(reader, into), pieceBytes);
      } finally {
        this.#port.close(reader);
      }
    } finally {
      this.#port.close(link);
    }
  }

  close(): void {
    this.#port.close(this.#program);
  }

  #create(command: number, bytes: number, fill: (attributes: Buffer) => void): number {
    const attributes = Buffer.alloc(bytes);
    fill(attributes);
    return this.#port.bpf(command, attributes);
  }
}

/**
 * Reads what an iterator gives to its end, in pieces of `pieceBytes`, all full but the last: a multiple of the program's record. How much the
 * kernel gives at once is no such multiple: it holds back up to eight pages, 32 or 512 KB, and hands out as much as there is room for
 * (kernel/bpf/bpf_iter.c). `read` is as readSync. A negative number is -errno.
 */
export function readAll(read: (into: Buffer) => number, pieceBytes: number): Buffer[] | number {
  const pieces: Buffer[] = [];
  for (;;) {
    const piece = Buffer.allocUnsafeSlow(pieceBytes);
    let filled = 0;
    while (filled < piece.length) {
      const length = readSome(read, piece.subarray(filled));
      if (length < 0) return length;
      if (length === 0) return [...pieces, piece.subarray(0, filled)];
      filled += length;
    }
    pieces.push(piece);
  }
}

function readSome(read: (into: Buffer) => number, into: Buffer): number {
  for (let empty = 0; ; empty++) {
    try {
      return read(into);
    } catch (error) {
      const { code, errno } = error as NodeJS.ErrnoException;
      if (errno === undefined) throw error; // not the kernel's refusal, but our own mistake
      if ((code !== "EAGAIN" && code !== "EINTR") || empty === MOST_EMPTY_READS) return errno;
    }
  }
}
