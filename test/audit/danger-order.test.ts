import fc from "fast-check";
import { expect, it } from "vitest";
import { DANGERS } from "../../src/audit/danger.ts";
import { DangerOrder } from "../../src/audit/danger-order.ts";

const entry = fc.record({
  danger: fc.constantFrom(...DANGERS),
  noticeMs: fc.option(fc.nat(5_000_000_000).map((ms) => 10 * Math.round(ms / 10))),
});

it("sorts by danger first, then by the time to notice a death, then by the order of adding", () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 200 }), (entries) => {
      const order = new DangerOrder(entries.length);
      entries.forEach(({ danger, noticeMs }, row) => {
        order.add(row, danger, noticeMs);
      });
      const rank = (row: number): [number, number, number] => {
        const { danger, noticeMs } = entries[row] as (typeof entries)[number];
        return [-DANGERS.indexOf(danger), -(noticeMs ?? Number.POSITIVE_INFINITY), row];
      };
      const expected = entries.map((_, row) => row).sort((a, b) => compare(rank(a), rank(b)));
      expect([...order.sorted()]).toEqual(expected);
    }),
  );
});

it("keeps rows and dangers apart at their largest values", () => {
  const order = new DangerOrder(3);
  order.add(0xffff_ffff, "in-order", 0);
  order.add(7, "dead", null);
  order.add(8, "dead", 1e15);
  expect([...order.sorted()]).toEqual([7, 8, 0xffff_ffff]);
});

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++)
    if (a[i] !== b[i]) return (a[i] as number) < (b[i] as number) ? -1 : 1;
  return 0;
}
