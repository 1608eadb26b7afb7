/**
 * Keepalive as the kernel holds it, read back, in ms. Windows cannot be asked: there it is what it
 * took.
 */
export interface AppliedKeepalive {
  readonly enabled: boolean;
  readonly idleMs: number;
  readonly intervalMs: number;
  readonly count: number;
}
