import { defineConfig } from "vitest/config";

const REAL_NETWORKS = ["test/**/*.lab.test.ts", "test/**/*.wine.test.ts"];

/**
 * Pure and loopback tests first. Then those that measure time in real networks, which mostly wait: three at a time keep two processors half
 * busy and a run under ten minutes.
 */
export default defineConfig({
  test: {
    reporters: ["default", "./test/setup/counts-reporter.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: REAL_NETWORKS,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: "lab", include: REAL_NETWORKS, maxWorkers: 3, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
