import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", "./test/setup/counts-reporter.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
