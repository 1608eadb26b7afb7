import type { KeepaliveMeans } from "../../core/judge/keepalive-alone.ts";
import { openedWinsock, openSocketPort } from "../port/open-socket-port.ts";
import { FIXED_COUNT } from "./keepalive-vals.ts";

/** Whole seconds on the BSDs, and in Wine, which hands them to its host. */
const SECOND_MS = 1000;

/** What the keepalive of one connection can be told here; `null` without a native back-end. */
export function keepaliveMeans(): KeepaliveMeans | null {
  if (!openSocketPort()) return null;
  const winsock = openedWinsock();
  if (winsock) return { fixedCount: FIXED_COUNT, stepMs: winsock.isWine ? SECOND_MS : 1 };
  return { fixedCount: null, stepMs: SECOND_MS };
}
