/** So many connections has a pool, and so many callers come at once. */
export const POOL = 3;
const CALLERS = 9;

/**
 * What is done with a pool: most callers wait for a connection.
 *
 * @param {import("../lane.mjs").Lane} lane
 * @param {object} pool
 * @param {(n: number, seconds?: number) => Promise<unknown>} pool.query Is answered with `n`, after
 *   some time if one is given.
 * @param {() => Promise<() => Promise<void>>} pool.hold Takes a connection and begins a transaction.
 *   Resolves with what commits the transaction and gives the connection back.
 */
export function poolSteps(lane, { query, hold }) {
  const callers = (seconds) =>
    Promise.all(Array.from({ length: CALLERS }, (_, n) => query(n, seconds)));
  return {
    "short queries": () => callers(),
    "full of long queries": () => callers(lane.longMs() / 1000 / (CALLERS / POOL)),
    async "full of transactions held idle"() {
      const held = [];
      for (let i = 0; i < POOL; i++) held.push(await hold());
      const waiting = lane.later(callers());
      await lane.restLong();
      for (const commit of held) await commit();
      return waiting;
    },
    async "left idle"() {
      await lane.restLong();
      return query(1);
    },
  };
}
