import { defineConfig } from "vitest/config";

// The journeys: a real browser, the real handlers. One after the other, since each starts a stack.
export default defineConfig({
  test: {
    environment: "node",
    include: ["e2e/**/*.journey.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
