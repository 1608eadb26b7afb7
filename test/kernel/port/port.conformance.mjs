/**
 * The promises that every back-end of the port must keep. Runs on the Node that has the back-end,
 * as `node port.conformance.mjs BACK-END`, while HALFOPEN_MASK hides the other one. Calls the real
 * kernel with descriptors of its own, and prints one line for each promise.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

const dist = new URL("../../../dist/", import.meta.url);
const { openPort, whyNoPort } = await import(new URL("kernel/port/open-port.js", dist).href);

const wanted = process.argv[2];
const port = openPort();
if (!port) throw new Error(whyNoPort());

const [AF_INET, SOCK_STREAM, AF_NETLINK, SOCK_RAW] = [2, 1, 16, 3];
const [SOL_SOCKET, SO_KEEPALIVE, IPPROTO_TCP, TCP_KEEPIDLE, TCP_INFO] = [1, 9, 6, 4, 11];
const [ENOENT, EBADF, EAGAIN, EFAULT, EINVAL, ENOPROTOOPT, ECONNREFUSED] = [
  2, 9, 11, 14, 22, 92, 111,
];
const [SIOCOUTQ, MSG_DONTWAIT] = [0x5411, 0x40];

function check(promise, isKept) {
  console.log(`${isKept ? "ok" : "BROKEN"} ${promise}`);
  if (!isKept) process.exitCode = 1;
}

function int(value) {
  return new Uint8Array(new Int32Array([value]).buffer);
}

check(`is the back-end asked for (${port.backEnd})`, port.backEnd === wanted);
const fd = port.socket(AF_INET, SOCK_STREAM, 0);
check("opens a socket", fd > 2);
check("reports an unknown family by its errno", port.socket(12_345, SOCK_STREAM, 0) < 0);
check(
  "sets and reads back",
  port.setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, int(1)) === 0 &&
    port.setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, int(77)) === 0,
);
const value = new Uint8Array(4);
check(
  "returns the length that the kernel wrote",
  port.getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, value) === 4,
);
check("fills the value", new Int32Array(value.buffer)[0] === 77);
const info = new Uint8Array(512);
const bytes = port.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info);
check(`reads TCP_INFO whole (${bytes} bytes)`, bytes >= 104 && info[0] === 7);
check(
  "reads TCP_INFO cut short",
  port.getsockopt(fd, IPPROTO_TCP, TCP_INFO, new Uint8Array(104)) === 104,
);
check(
  "-EINVAL for a value out of range",
  port.setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, int(40_000)) === -EINVAL,
);
check(
  "-ENOPROTOOPT for an unknown option",
  port.getsockopt(fd, IPPROTO_TCP, 9999, value) === -ENOPROTOOPT,
);
check(
  "-EBADF for a closed descriptor",
  port.getsockopt(987_654, IPPROTO_TCP, TCP_INFO, info) === -EBADF,
);
const queued = int(5);
check(
  "ioctl writes its answer into its argument",
  port.ioctl(fd, SIOCOUTQ, queued) === 0 && new Int32Array(queued.buffer)[0] === 0,
);
const address = new Uint8Array(16);
const loopback = new Uint8Array([AF_INET, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
check(
  "tells the address that a socket was bound to",
  port.bind(fd, loopback) === 0 &&
    port.getsockname(fd, address) === 16 &&
    address[2] + address[3] > 0 &&
    address[4] === 127,
);
check("-EBADF for the address of a closed one", port.getsockname(987_654, address) === -EBADF);
// 127.0.0.1:1
const nowhere = new Uint8Array([AF_INET, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
check("-ECONNREFUSED where nobody listens", port.connect(fd, nowhere) === -ECONNREFUSED);
const polled = new Uint8Array([fd, 0, 0, 0, 0, 0, 0, 0]);
check(
  "polls, and reports a hang-up in the struct that it was given",
  port.poll(polled) === 1 && (polled[6] & 0x10) !== 0,
);
const netlink = port.socket(AF_NETLINK, SOCK_RAW, 0);
check(
  "binds",
  port.bind(netlink, new Uint8Array([AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])) === 0,
);
check(
  "-EAGAIN when there is nothing to receive",
  port.recv(netlink, new Uint8Array(64), MSG_DONTWAIT) === -EAGAIN,
);
// RTM_GETLINK dump: an answer must come.
const request = new Uint8Array(20);
new DataView(request.buffer).setUint32(0, 20, true);
new DataView(request.buffer).setUint16(4, 18, true);
new DataView(request.buffer).setUint16(6, 0x301, true);
check("sends", port.send(netlink, request, 0) === 20);
const answer = new Uint8Array(32_768);
check("receives into the buffer given", port.recv(netlink, answer, 0) > 16 && answer[4] === 16);
const pidfd = port.pidfdOpen(process.pid, 0);
check("opens a pidfd", pidfd > 2);
const copy = port.pidfdGetfd(pidfd, fd, 0);
check(
  "duplicates a descriptor through it",
  copy > 2 && port.getsockopt(copy, IPPROTO_TCP, TCP_KEEPIDLE, value) === 4,
);
const folder = openSync("/proc/self/fd", "r");
const link = new Uint8Array(64);
const linkBytes = port.readlinkat(folder, new TextEncoder().encode(`${fd}\0`), link);
check(
  "reads a link relative to a folder",
  /^socket:\[\d+\]$/.test(new TextDecoder().decode(link.subarray(0, linkBytes))),
);
check(
  "cuts a link that does not fit",
  port.readlinkat(folder, new TextEncoder().encode(`${fd}\0`), new Uint8Array(4)) === 4,
);
check(
  "-ENOENT for a link that is not there",
  port.readlinkat(folder, new TextEncoder().encode("987654\0"), link) === -ENOENT,
);
closeSync(folder);
check("-EINVAL or -EBADF for a namespace that is none", port.setns(fd, 0) < 0);
const [PR_GET_CHILD_SUBREAPER, WNOHANG, ECHILD] = [37, 1, 10];
check("prctl takes a number", port.prctl(36, 1) === 0 && port.prctl(36, 0) === 0);
check("-EFAULT where prctl cannot write", port.prctl(PR_GET_CHILD_SUBREAPER, 0) === -EFAULT);
check(
  "-ECHILD where there is no child",
  port.waitid(0, 0, new Uint8Array(128), WNOHANG | 4) === -ECHILD,
);
const child = spawn("true");
const told = new Uint8Array(128);
const giveUpAt = Date.now() + 10_000;
// WNOWAIT (0x0100_0000) leaves the child for Node to wait for.
while (told[16] === 0 && Date.now() < giveUpAt) port.waitid(0, 0, told, WNOHANG | 4 | 0x0100_0000);
check("reports a child that has ended", new Int32Array(told.buffer)[4] === child.pid);
check(
  "closes",
  [fd, netlink, pidfd, copy].every((one) => port.close(one) === 0) && port.close(fd) === -EBADF,
);
