import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// Served below a stage or a domain's base path that is not known here: every address in the page is relative to it.
export default defineConfig({
  base: "./",
  resolve: {
    alias: {
      "@picture-tuning/client": at("../clients/typescript/src/index.ts"),
      // What Observable Plot brings and no chart here needs: 17 kB of the 150 that the page may have.
      "d3-geo": at("src/progress/left-out/d3-geo.ts"),
      "d3-scale-chromatic": at("src/progress/left-out/d3-scale-chromatic.ts"),
    },
  },
  build: {
    outDir: at("../functions/suggest/studio"),
    emptyOutDir: true,
    assetsDir: "studio",
    // Nothing inline: the page's policy allows no data: addresses for scripts and styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  // `npm run dev --workspace studio` shows the page of the sources with the API of a stack that runs elsewhere.
  server: {
    proxy: {
      "^/(ml|health|docs|redoc|captions|generate-caption|uploads|upload-bucket)":
        process.env.API ?? "http://127.0.0.1:8000",
    },
  },
  test: {
    environment: "happy-dom",
    // A thread for each file takes a tenth less of the processor than a process.
    pool: "threads",
    include: ["test/**/*.test.{ts,tsx}"],
    restoreMocks: true,
    // Tests draw with what the page draws with.
    server: { deps: { inline: [/observablehq/, /\/d3(-[a-z]+)?\//] } },
    // A browser made of scripts takes its time on a machine that has other things to do.
    testTimeout: 30_000,
  },
});
