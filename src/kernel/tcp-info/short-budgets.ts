import { openPort } from "../port/open-port.ts";
import { platform } from "../port/platform.ts";
import { IPPROTO_TCP } from "../port/platform-linux.ts";
import { whyNoKernelEvidence } from "./kernel-evidence.ts";

const SOCK_STREAM = 1;
/** Up to tcpi_data_segs_out (Linux 4.6), which counts the attempts that a heartbeat makes. */
const LEAST_BYTES = 160;

let why: string | null | undefined;

/**
 * Returns why budgets below 2500 ms cannot be kept on this system; `null`: they can. Tried once.
 */
export function whyNoShortBudgets(): string | null {
  if (why === undefined) why = found();
  return why;
}

function found(): string | null {
  if (process.platform !== "linux") return "only Linux has it";
  const port = openPort();
  const noEvidence = whyNoKernelEvidence();
  if (noEvidence !== null || port === null) return noEvidence;
  const fd = port.socket(platform.addressFamily.inet, SOCK_STREAM, 0);
  if (fd < 0) return null; // no descriptor is left to try
  const option = platform.tcpInfo?.option ?? 0;
  const bytes = port.getsockopt(fd, IPPROTO_TCP, option, new Uint8Array(512));
  port.close(fd);
  return bytes >= LEAST_BYTES ? null : "this kernel does not count segments with data (4.6 does)";
}
