import { PeerGroups } from "../core/judge/peer-groups.ts";

/** Of all connections that this process watches. */
export const groups: PeerGroups = new PeerGroups();
