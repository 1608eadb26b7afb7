import type { KeepaliveMeans } from "../../core/judge/keepalive-alone.ts";
import { openedWinsock, openSocketPort } from "../port/open-socket-port.ts";
import { FIXED_COUNT } from "./keepalive-vals.ts";

/** The BSDs keep whole seconds, and so does Wine, which hands the times to its host. */
const SECOND_MS = 1000;

/** Returns what the keepalive of a connection can be set to; `null` without a native back-end. */
export function keepaliveMeans(): KeepaliveMeans | null {
  if (!openSocketPort()) return null;
  const winsock = openedWinsock();
  if (winsock) return { fixedCount: FIXED_COUNT, stepMs: winsock.isWine ? SECOND_MS : 1 };
  return { fixedCount: null, stepMs: SECOND_MS };
}
