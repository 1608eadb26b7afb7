import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { HalfOpenError } from "../../../src/core/errors.ts";
import { rtoCapMs } from "../../../src/core/judge/backstop.ts";
import { LARGEST_BUDGET_MS, SMALLEST_BUDGET_MS } from "../../../src/core/judge/probe-plan.ts";
import { capabilities } from "../../../src/kernel/capabilities.ts";
import { resetOnClose } from "../../../src/kernel/options/linger.ts";
import { applyRtoMax, readRtoMax } from "../../../src/kernel/options/rto-max.ts";
import { descriptorOf } from "../../../src/kernel/process/descriptor.ts";
import { readTcpInfo } from "../../../src/kernel/tcp-info/tcp-info.ts";
import { loopbackPair, type Pair } from "../../watch/loopback.ts";

const hasRtoMax = capabilities().rtoMax.available;

/** The kernel rounds up to jiffies, which are 1 to 10 ms long. */
const LONGEST_TICK_MS = 10;

function isHeldAs(wantedMs: number, heldMs: number | null): boolean {
  return heldMs !== null && heldMs >= wantedMs && heldMs < wantedMs + LONGEST_TICK_MS;
}

let pair: Pair;
afterEach(() => pair.dispose());

describe(`the cap on backoff (TCP_RTO_MAX_MS, which this kernel ${hasRtoMax ? "has" : "lacks"})`, () => {
  it("is set and read back as the kernel holds it, rounded up to its ticks; null without the option", async () => {
    pair = await loopbackPair();
    const fd = descriptorOf(pair.client);
    for (const ms of [1000, 1234, 119_999]) {
      const applied = applyRtoMax(fd, ms);
      if (hasRtoMax) expect(isHeldAs(ms, applied)).toBe(true);
      else expect(applied).toBeNull();
      expect(readRtoMax(fd)).toBe(applied);
    }
  });

  it.each([0, 999, 120_001, -1])("is refused at %d ms, which no budget needs", async (ms) => {
    pair = await loopbackPair();
    const fd = descriptorOf(pair.client);
    const before = readRtoMax(fd);
    let code: string | null = null;
    try {
      applyRtoMax(fd, ms);
    } catch (error) {
      code = error instanceof HalfOpenError ? error.code : String(error);
    }
    expect(code).toBe(hasRtoMax ? "ERR_SOCKET_OPTION" : null);
    expect(readRtoMax(fd)).toBe(before);
  });

  it("of every budget lies within what the kernel takes", async () => {
    pair = await loopbackPair();
    const fd = descriptorOf(pair.client);
    for (
      let budgetMs = SMALLEST_BUDGET_MS;
      budgetMs < LARGEST_BUDGET_MS;
      budgetMs = Math.ceil(budgetMs * 1.37)
    ) {
      const capMs = rtoCapMs(budgetMs);
      expect(capMs).toBeGreaterThanOrEqual(1000);
      expect(capMs).toBeLessThanOrEqual(120_000);
      if (hasRtoMax) expect(isHeldAs(capMs, applyRtoMax(fd, capMs)), `${capMs}`).toBe(true);
    }
  });
});

describe("closing with a reset", () => {
  /** Returns the peer's state after a close that left 8 MB unsent behind a closed window. */
  async function peerStateAfterClosing(prepare: (fd: number) => void): Promise<string> {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    accepted.pause();
    client.write(Buffer.alloc(8 * 1024 * 1024));
    expect(readTcpInfo(client).notSentBytes).toBeGreaterThan(0);
    prepare(descriptorOf(client));
    client.destroy();
    await once(client, "close");
    return readTcpInfo(accepted).state;
  }

  it("reaches the peer at once", async () => {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    const failed = once(accepted.resume(), "error");
    resetOnClose(descriptorOf(client));
    client.destroy();
    const [error] = (await failed) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNRESET");
  });

  it("drops unsent data, while an ordinary close leaves an orphan that goes on sending", async () => {
    expect(await peerStateAfterClosing(resetOnClose)).toBe("CLOSE");
    await pair.dispose();
    expect(await peerStateAfterClosing(() => {})).toBe("ESTABLISHED");
  });
});
