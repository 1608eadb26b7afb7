/** What the peer does with a connection is chosen by the port; TLS is a fixed step above. */
export type PeerRole = "sink" | "talker" | "deaf";

export const PEER_PORTS: Readonly<Record<PeerRole, number>> = {
  sink: 7001,
  talker: 7002,
  deaf: 7003,
};
export const TLS_PORT_OFFSET = 100;
