import { getEnvironmentData, setEnvironmentData } from "node:worker_threads";
import { openPort, whyNoPort } from "../port/open-port.ts";
import { platform } from "../port/platform.ts";
import { IPPROTO_TCP } from "../port/platform-linux.ts";
import type { SystemPort } from "../port/port.ts";
import { unmovedFields } from "./evidence-trial.ts";

const SOCK_STREAM = 1;
/**
 * Length of struct tcp_info in Linux 2.6. Every kernel gives this much; an emulator may not:
 * qemu-user passes on the first 4 bytes (7.2).
 */
const LEAST_BYTES = 104;

/** Empty where there is evidence. */
const TOLD_THREADS = "halfopen: why no kernel evidence";

let why: string | null | undefined;

/**
 * Returns why this system (Linux) gives no evidence to judge connections by, in words; `null` if it
 * gives some. Without this check missing figures would look like silence, and figures that never
 * move like a peer that answers. Tried once, on sockets of our own: see evidence-trial.ts for what
 * it takes. The threads that this one starts later are told; one that ends within the trial would
 * leave its socket open.
 */
export function whyNoKernelEvidence(): string | null {
  if (why === undefined) why = found();
  return why;
}

function found(): string | null {
  const port = openPort();
  if (port === null) return whyNoPort();
  const told = getEnvironmentData(TOLD_THREADS) as string | undefined;
  const tried = told ?? whyNoEvidenceFrom(port) ?? "";
  setEnvironmentData(TOLD_THREADS, tried);
  return tried || null;
}

/** Returns the same for the kernel behind `port`. */
export function whyNoEvidenceFrom(port: SystemPort): string | null {
  const fd = port.socket(platform.addressFamily.inet, SOCK_STREAM, 0);
  if (fd < 0) return null; // no descriptor is left to try; every real kernel gives enough
  const bytes = port.getsockopt(
    fd,
    IPPROTO_TCP,
    platform.tcpInfo?.option ?? 0,
    new Uint8Array(512),
  );
  port.close(fd);
  if (bytes < 0) return `the kernel refuses TCP_INFO (errno ${-bytes})`;
  if (bytes < LEAST_BYTES)
    return `this system passes on ${bytes} bytes of struct tcp_info, of at least ${LEAST_BYTES}`;

  const unmoved = unmovedFields(port);
  return unmoved.length === 0
    ? null
    : `this kernel's TCP_INFO does not follow a connection: ${unmoved.join(", ")} never moved, or moved falsely, on one of our own`;
}
