/**
 * What stands before a deployed stack: every address begins with the stage. The function that serves the page knows the
 * stage by its event, which the local stack's events do not have: the two addresses in the page are put right here.
 */

import { createServer, request, type Server } from "node:http";

export class Stage {
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async before(stack: string, prefix: string): Promise<Stage> {
    const { hostname, port } = new URL(stack);
    const server = createServer((asked, answer) => {
      const path = asked.url ?? "/";
      if (!path.startsWith(`${prefix}/`)) {
        answer.writeHead(403).end();
        return;
      }
      const passed = request(
        {
          hostname,
          port,
          method: asked.method,
          path: path.slice(prefix.length),
          headers: { ...asked.headers, "accept-encoding": "identity" },
        },
        (given) => {
          if (!given.headers["content-type"]?.startsWith("text/html")) {
            answer.writeHead(given.statusCode ?? 502, given.headers);
            given.pipe(answer);
            return;
          }
          const parts: Buffer[] = [];
          given.on("data", (part: Buffer) => parts.push(part));
          given.on("end", () => {
            const page = Buffer.concat(parts).toString().replaceAll('="/studio/', `="${prefix}/studio/`);
            const { "content-length": _, ...headers } = given.headers;
            answer.writeHead(given.statusCode ?? 502, headers).end(page);
          });
        },
      );
      passed.once("error", () => answer.destroy());
      asked.pipe(passed);
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    const address = server.address();
    if (address === null || typeof address !== "object") throw new Error("the stage has no port");
    return new Stage(server, `http://127.0.0.1:${address.port}${prefix}`);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }
}
