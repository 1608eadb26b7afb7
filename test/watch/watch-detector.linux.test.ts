import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { NfdEDetector } from "../../src/core/detectors/nfd-e-detector.ts";
import { type Diagnosis, type WatchDetector, watch } from "../../src/index.ts";
import { loopbackPair, type Pair } from "./loopback.ts";

let pair: Pair;
afterEach(() => pair?.dispose());

const detector: WatchDetector = {
  intervalMs: 100,
  make: (now) => new NfdEDetector({ intervalMs: 100, marginMs: 400 }, now),
};

/** A peer that answers every ping, until it hangs. */
function answering(peer: Socket): { hang(): void } {
  let isHung = false;
  peer.on("data", (data) => {
    if (!isHung) peer.write(data);
  });
  return {
    hang: () => {
      isHung = true;
    },
  };
}

/** One ping at a time: resolves with the next bytes. */
function pingOf(client: Socket): () => Promise<unknown> {
  client.resume();
  return () => {
    client.write("ping");
    return once(client, "data");
  };
}

describe("watch with a detector of one's own", () => {
  it("finds a hung process when the detector suspects, long before the budget", async () => {
    pair = await loopbackPair();
    const { client, accepted } = pair;
    const peer = answering(accepted);
    const w = watch(client, { detectWithinMs: 20_000, heartbeat: pingOf(client), detector });
    const deaths = once(w, "dead");
    await new Promise((resolve) => setTimeout(resolve, 1200));
    expect(w.state).toBe("alive");
    peer.hang();
    const hungAt = performance.now();
    const [diagnosis] = (await deaths) as [Diagnosis];
    const tookMs = performance.now() - hungAt;
    expect(diagnosis.cause).toBe("peer-hung");
    // The last answer is at most an interval old, the next expected an interval behind it and given
    // 400 ms.
    expect(tookMs).toBeGreaterThan(350);
    expect(tookMs).toBeLessThan(1500);
  });

  it("counts how often its suspicions were wrong, and for how long", async () => {
    pair = await loopbackPair();
    const { client } = pair;
    const answers: (() => void)[] = [];
    const heartbeat = () =>
      new Promise<void>((resolve) => {
        if (answers.push(resolve) === 1) resolve();
      });
    const w = watch(client, { detectWithinMs: 2500, heartbeat, expect: "host" });
    expect(w.quality.mistakes).toBe(0);
    await once(w, "suspect");
    // Counted from the last evidence of any kind: the kernel of a hung process goes on answering.
    expect(w.quality.detectionMs).toBeGreaterThanOrEqual(0);
    expect(w.quality.detectionMs).toBeLessThan(2200);
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const answer of answers) answer();
    await once(w, "alive");
    const { mistakes, meanMistakeMs, queryAccuracy, detectionMs } = w.quality;
    expect({ mistakes, detectionMs }).toEqual({ mistakes: 1, detectionMs: null });
    expect(meanMistakeMs).toBeGreaterThan(280);
    expect(meanMistakeMs).toBeLessThan(500);
    expect(queryAccuracy).toBeGreaterThan(0.75);
    expect(queryAccuracy).toBeLessThan(0.9);
  });

  it("refuses a detector that cannot work", async () => {
    pair = await loopbackPair();
    const { client } = pair;
    const heartbeat = () => Promise.resolve();
    const refused = expect.objectContaining({ code: "ERR_OPTION_RANGE" });
    expect(() => watch(client, { detector })).toThrow(refused);
    expect(() => watch(client, { heartbeat, detector: { ...detector, intervalMs: 10 } })).toThrow(
      refused,
    );
    expect(() =>
      watch(client, {
        heartbeat,
        detectWithinMs: 2500,
        detector: { ...detector, intervalMs: 2501 },
      }),
    ).toThrow(refused);
    expect(() =>
      watch(client, { heartbeat, detector: { intervalMs: 100, make: () => ({}) as never } }),
    ).toThrow(refused);
    expect(() => watch(client, { heartbeat, detector: 7 as never })).toThrow(refused);
  });
});
