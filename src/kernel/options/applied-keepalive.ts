/**
 * Keepalive as the kernel holds it, read back, in ms. Windows does not report what
 * SIO_KEEPALIVE_VALS set: there it is the values that Windows accepted.
 */
export interface AppliedKeepalive {
  readonly enabled: boolean;
  readonly idleMs: number;
  readonly intervalMs: number;
  readonly count: number;
}
