# refuse.py EPERM|ENOSYS|ENOPROTOOPT CALL... -- CMD
# Runs a program whose kernel refuses some system calls, as a container's seccomp profile or an
# older kernel does.
import ctypes
import errno
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
SECCOMP_RET_ERRNO = 0x00050000
SECCOMP_RET_ALLOW = 0x7FFF0000
# linux/bpf_common.h: load a word of struct seccomp_data, jump if equal, return.
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
IS_X86 = os.uname().machine == "x86_64"
SOCKET, SETSOCKOPT, GETSOCKOPT = (41, 54, 55) if IS_X86 else (198, 208, 209)
NUMBER, FIRST_ARGUMENT, SECOND_ARGUMENT, THIRD_ARGUMENT = 0, 16, 24, 32
AF_NETLINK, NETLINK_SOCK_DIAG = 16, 4
IPPROTO_TCP, TCP_RTO_MAX_MS = 6, 44
# Required words of struct seccomp_data, by the name of the call.
CALLS = {
    "pidfd_open": [[(NUMBER, 434)]],
    "pidfd_getfd": [[(NUMBER, 438)]],
    "sock_diag": [[(NUMBER, SOCKET), (FIRST_ARGUMENT, AF_NETLINK), (THIRD_ARGUMENT, NETLINK_SOCK_DIAG)]],
    # Linux before 6.15.
    "rto_max": [
        [(NUMBER, number), (SECOND_ARGUMENT, IPPROTO_TCP), (THIRD_ARGUMENT, TCP_RTO_MAX_MS)]
        for number in (SETSOCKOPT, GETSOCKOPT)
    ],
}

end = sys.argv.index("--")
code = getattr(errno, sys.argv[1])
program = []
for tests in [tests for call in sys.argv[2:end] for tests in CALLS[call]]:
    for i, (offset, value) in enumerate(tests):
        left = 2 * (len(tests) - 1 - i) + 1
        program += [(LOAD, 0, 0, offset), (JUMP_EQUAL, 0, left, value)]
    program.append((RETURN, 0, 0, SECCOMP_RET_ERRNO | code))
program.append((RETURN, 0, 0, SECCOMP_RET_ALLOW))

filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
prog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(filters)))
libc = ctypes.CDLL(None, use_errno=True)
for arguments in [(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, prog)]:
    if libc.prctl(*arguments) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
os.execvp(sys.argv[end + 1], sys.argv[end + 1 :])
