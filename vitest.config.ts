import { defineConfig } from "vitest/config";

const REAL_NETWORKS = ["test/**/*.lab.test.ts", "test/**/*.wine.test.ts"];
const REAL_SERVERS = ["test/heartbeat/*.linux.test.ts"];
const PACKAGES = "**/node_modules/**";
/** Little to do, so five files run at a time: they wait, or bounds on time need a calm machine. */
const PATIENT = [
  "test/cli/guard-hold.lab.test.ts",
  "test/guard/live-connections.lab.test.ts",
  "test/heartbeat/stopped-processes.lab.test.ts",
  "test/heartbeat/streams.linux.test.ts",
  "test/lab/long-outages.lab.test.ts",
  "test/lab/long-round-trips.lab.test.ts",
  "test/lab/mtu-black-hole.lab.test.ts",
  "test/lab/older-systems.lab.test.ts",
  "test/lab/policy-routing.lab.test.ts",
  "test/lab/probe-deaf.lab.test.ts",
  "test/lab/steady-loss.lab.test.ts",
  "test/watch/begun-in-silence.lab.test.ts",
  "test/watch/late-answers.lab.test.ts",
  "test/watch/own-options.lab.test.ts",
  "test/watch/pauses.lab.test.ts",
];
/** Hundreds of processes or thousands of connections, and bounds on their time. */
const BUSY = [
  "test/soak.lab.test.ts",
  "test/guard/every-namespace.lab.test.ts",
  "test/guard/programs.lab.test.ts",
  "test/auto/other-clients.lab.test.ts",
  "test/heartbeat/mixed-load.lab.test.ts",
  "test/lab/cuts.lab.test.ts",
  "test/lab/guard-cost.lab.test.ts",
  "test/runtimes/shared-port.linux.test.ts",
  "test/watch/heartbeat-crowd.lab.test.ts",
  "test/watch/probe-crowd.lab.test.ts",
  "test/watch/quick.lab.test.ts",
];

/**
 * Pure and loopback tests first. Then those that measure time with real networks or servers: most
 * of them wait, so four files run at a time; the busy ones have the machine to themselves.
 */
export default defineConfig({
  test: {
    reporters: ["default", "./test/setup/counts-reporter.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // A poll without a time of its own waits for what must happen, not for how soon.
    expect: { poll: { timeout: 10_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [...REAL_NETWORKS, ...REAL_SERVERS, ...PATIENT, ...BUSY, PACKAGES],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "lab",
          include: [...REAL_NETWORKS, ...REAL_SERVERS],
          exclude: [...PATIENT, ...BUSY, PACKAGES],
          maxWorkers: 4,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { name: "patient", include: PATIENT, maxWorkers: 5, sequence: { groupOrder: 2 } },
      },
      {
        extends: true,
        test: { name: "busy", include: BUSY, maxWorkers: 1, sequence: { groupOrder: 3 } },
      },
    ],
  },
});
