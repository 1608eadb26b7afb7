/**
 * Behaviour of the peer on a connection. The port chooses it; the TLS port lies `TLS_PORT_OFFSET`
 * above the plain one.
 */
export type PeerRole = "sink" | "talker" | "deaf";

export const PEER_PORTS: Readonly<Record<PeerRole, number>> = {
  sink: 7001,
  talker: 7002,
  deaf: 7003,
};
export const TLS_PORT_OFFSET = 100;
