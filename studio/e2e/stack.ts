/** A local stack of a journey's own: `python main.py` on a free port, with data in a folder that is removed. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** The Python that has the requirements; the tests of Python that start a journey name theirs. */
const PYTHON = process.env.PYTHON ?? join(ROOT, ".venv/bin/python");
const START_S = 90;

export class Stack {
  private process: ChildProcess | null = null;
  private said = "";

  private constructor(
    readonly folder: string,
    readonly port: number,
    private readonly settings: Record<string, string>,
  ) {}

  static async start(settings: Record<string, string> = {}): Promise<Stack> {
    const stack = new Stack(mkdtempSync(join(tmpdir(), "studio-")), await freePort(), settings);
    await stack.resume();
    return stack;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts the server, anew after `kill`, with what it has kept. */
  async resume(): Promise<void> {
    const data = {
      OBSERVATION_STORE: `sqlite:///${this.folder}/observations.db`,
      CAPTION_STORE: `sqlite:///${this.folder}/captions.db`,
      UPLOAD_BUCKET: `file://${this.folder}`,
    };
    const env = { ...process.env, HOST: "127.0.0.1", PORT: String(this.port), ...data, ...this.settings };
    this.process = spawn(PYTHON, ["main.py"], { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
    const keep = (text: Buffer) => {
      this.said = (this.said + text).slice(-20_000);
    };
    this.process.stdout?.on("data", keep);
    this.process.stderr?.on("data", keep);
    const until = Date.now() + START_S * 1000;
    while (!(await this.answers())) {
      if (this.process.exitCode !== null || Date.now() > until)
        throw new Error(`the stack did not start:\n${this.said}`);
      await new Promise((done) => setTimeout(done, 200));
    }
  }

  /** Ends the server as a crash would. */
  async kill(): Promise<void> {
    await this.end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.end("SIGTERM");
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async answers(): Promise<boolean> {
    try {
      const headers: Record<string, string> = this.settings.API_KEY ? { "x-api-key": this.settings.API_KEY } : {};
      return (await fetch(`${this.url}/health`, { headers })).ok;
    } catch {
      return false;
    }
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const running = this.process;
    this.process = null;
    if (running === null || running.exitCode !== null) return;
    const ended = new Promise((done) => running.once("exit", done));
    running.kill(signal);
    await ended;
  }
}

function freePort(): Promise<number> {
  return new Promise((found, failed) => {
    const server = createServer();
    server.once("error", failed);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => (address !== null && typeof address === "object" ? found(address.port) : failed(address)));
    });
  });
}
