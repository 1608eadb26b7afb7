import { PeerGroups } from "../core/peer-groups.ts";

/** Of all connections that this process watches. */
export const groups: PeerGroups = new PeerGroups();
