import { type Surroundings, UNKNOWN_SURROUNDINGS } from "../core/cause/diagnose.ts";
import type { LocalPath } from "../core/diagnosis.ts";
import { endpointText } from "../kernel/netlink/ip-address.ts";
import { examineLocalPath } from "../kernel/netlink/local-path.ts";
import type { Endpoints } from "./handle.ts";

/** Returns what surrounds a connection that is not there yet, or watched no more. */
export function surroundingsOf(endpoints: Endpoints, label: string | null): Surroundings {
  const { localAddress, localPort, remoteAddress, remotePort } = endpoints;
  return {
    ...UNKNOWN_SURROUNDINGS,
    local: addressOf(localAddress, localPort),
    remote: addressOf(remoteAddress, remotePort),
    label,
    wallClock: Date.now(),
  };
}

/** Looks whether this host can still send to the peer; `null` where the two ends are not known. */
export function localPathTo({ localAddress, remoteAddress }: Endpoints): LocalPath | null {
  return localAddress && remoteAddress ? examineLocalPath(localAddress, remoteAddress) : null;
}

function addressOf(address: string | undefined, port: number | undefined): string | null {
  return address === undefined || port === undefined ? null : endpointText(address, port);
}
