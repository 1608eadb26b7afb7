import { BpfAssembler } from "./bpf-assembler.ts";
import type { Btf, MemberPlace, WantedTypes } from "./btf.ts";
import { RECORD, RECORD_BYTES } from "./swept-socket.ts";

/** The kernel's function that stands for its iterator over the files of all tasks (kernel/bpf/task_iter.c; Linux >= 5.8). */
const ITERATOR = "bpf_iter_task_file";
/** What the program reads. */
export const WANTED_TYPES: WantedTypes = {
  structs: ["bpf_iter_meta", "task_struct", "pid", "upid", "file", "inode", "socket", "tcp_sock", "net"],
  functions: [ITERATOR],
};

/** Helpers, by their numbers in include/uapi/linux/bpf.h. bpf_sock_from_file and bpf_get_current_task_btf are of Linux 5.11. */
const PROBE_READ_KERNEL = 113;
const SEQ_WRITE = 127;
const SKC_TO_TCP_SOCK = 137;
const GET_CURRENT_TASK_BTF = 158;
const SOCK_FROM_FILE = 162;

/** What the kernel passes (struct bpf_iter__task_file): pointers to its state, the task and the file, and the descriptor's number. */
const CONTEXT = { meta: pointer(0), task: pointer(8), fd: { offset: 16, bytes: 4 }, file: pointer(24) };
/** More than a namespace is nested; for the kernel, to see that a sum is bounded. */
const LEVEL_MASK = 63;
const SOCK = "inet_conn.icsk_inet.sk.__sk_common";

/** Instructions, and what they are for. */
export interface SweepProgram {
  readonly instructions: Buffer;
  readonly attachTo: number;
}

/**
 * The program that tells of every descriptor that leads to a socket: whose it is, and of a TCP socket what it is set to. `withRtoMax`: also
 * the cap on backoff where the kernel has one (Linux >= 6.15).
 *
 * Of the tasks only the leaders are told: /proc/PID/fd is theirs, and so is what pidfd_getfd reaches. The pid is the one in the namespace of
 * the task that reads, at whose depth it stands among the pids of the other; what is visited is visible there.
 *
 * @throws BtfError where this kernel has not what is needed
 */
export function sweepProgram(types: Btf, { withRtoMax }: { readonly withRtoMax: boolean }): SweepProgram {
  const program = new BpfAssembler()
    .move("r6", "r1")
    .load("r7", "r6", CONTEXT.task)
    .goIf("r7", 0, "end")
    .load("r8", "r6", CONTEXT.file)
    .goIf("r8", 0, "end")
    .load("r1", "r7", types.member("task_struct", "pid"))
    .load("r2", "r7", types.member("task_struct", "tgid"))
    .goUnless("r1", "r2", "end")
    .move("r1", "r8")
    .call(SOCK_FROM_FILE)
    .goIf("r0", 0, "end");
  for (let offset = 0; offset < RECORD_BYTES; offset += 8) program.store("r10", 0, onStack({ offset, bytes: 8 }));
  program.load("r1", "r0", types.member("socket", "sk")).goIf("r1", 0, "end").call(SKC_TO_TCP_SOCK).goIf("r0", 0, "whose");
  tellSettings(program, types, withRtoMax);
  program.label("whose");
  tellOwner(program, types);
  program
    .load("r1", "r6", CONTEXT.meta)
    .load("r1", "r1", types.member("bpf_iter_meta", "seq"))
    .move("r2", "r10")
    .add("r2", -RECORD_BYTES)
    .move("r3", RECORD_BYTES)
    .call(SEQ_WRITE)
    .label("end")
    .move("r0", 0)
    .exit();
  return { instructions: program.bytes(), attachTo: types.idOf(ITERATOR) };
}

/** r0: struct tcp_sock. A setting of 0 is the default of the socket's network namespace. */
function tellSettings(program: BpfAssembler, types: Btf, withRtoMax: boolean): void {
  const member = (path: string): MemberPlace => types.member("tcp_sock", path);
  const copy = (from: MemberPlace, to: MemberPlace): unknown => program.load("r1", "r0", from).store("r10", "r1", onStack(to));
  const copyOrDefault = (name: string, sysctl: string, to: MemberPlace): unknown =>
    program
      .load("r1", "r0", member(name))
      .goUnless("r1", 0, name)
      .load("r1", "r2", types.member("net", `ipv4.${sysctl}`))
      .label(name)
      .store("r10", "r1", onStack(to));
  copy(member(`${SOCK}.skc_cookie.counter`), RECORD.cookie);
  copy(member(`${SOCK}.skc_flags`), RECORD.flags);
  program.load("r2", "r0", member(`${SOCK}.skc_net.net`));
  copyOrDefault("keepalive_time", "sysctl_tcp_keepalive_time", RECORD.keepaliveTime);
  copyOrDefault("keepalive_intvl", "sysctl_tcp_keepalive_intvl", RECORD.keepaliveInterval);
  copyOrDefault("keepalive_probes", "sysctl_tcp_keepalive_probes", RECORD.keepaliveProbes);
  copy(member("inet_conn.icsk_user_timeout"), RECORD.userTimeout);
  const rtoMax = withRtoMax ? types.memberIfAny("tcp_sock", "inet_conn.icsk_rto_max") : null;
  if (rtoMax !== null) copy(rtoMax, RECORD.rtoMax);
}

/** r6: the context, r7: the task, r8: the file. */
function tellOwner(program: BpfAssembler, types: Btf): void {
  const numbers = types.member("pid", "numbers").offset + types.member("upid", "nr").offset;
  program
    .load("r1", "r8", types.member("file", "f_inode"))
    .load("r1", "r1", types.member("inode", "i_ino"))
    .store("r10", "r1", onStack(RECORD.inode))
    .load("r1", "r6", CONTEXT.fd)
    .store("r10", "r1", onStack(RECORD.fd))
    .call(GET_CURRENT_TASK_BTF)
    .load("r1", "r0", types.member("task_struct", "thread_pid"))
    .load("r1", "r1", types.member("pid", "level"))
    .and("r1", LEVEL_MASK)
    .multiply("r1", types.structBytes("upid"))
    .load("r3", "r7", types.member("task_struct", "thread_pid"))
    .add("r3", "r1")
    .add("r3", numbers)
    .move("r1", "r10")
    .add("r1", onStack(RECORD.pid).offset)
    .move("r2", RECORD.pid.bytes)
    .call(PROBE_READ_KERNEL);
}

/** The record lies at the end of the stack, which grows downwards. */
function onStack({ offset, bytes }: MemberPlace): MemberPlace {
  return { offset: offset - RECORD_BYTES, bytes };
}

function pointer(offset: number): MemberPlace {
  return { offset, bytes: 8 };
}
