import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { mysql2Ping } from "../../../src/heartbeat/clients/mysql2.ts";
import { pgPing } from "../../../src/heartbeat/clients/pg.ts";

/** Clients as they are once connected, and once the program has called `end()`. */
const CLIENTS = {
  pg(isEnded: boolean) {
    const connection = { stream: new PassThrough(), on() {} };
    const query = async () => ({ rows: [[1]] });
    const client = { connection, query, on() {}, readyForQuery: true, _ending: isEnded };
    return pgPing(client);
  },
  mysql2(isEnded: boolean) {
    const stream = new PassThrough();
    const ping = (): void => {};
    return mysql2Ping({ stream, ping, on() {}, _commands: [], _closing: isEnded } as never);
  },
};

// bench/mixed found it: a lost COM_QUIT, and `pool.end()` failed with our verdict on a live server.
it.each(Object.entries(CLIENTS))("%s is not asked once its program has ended it", (_, ask) => {
  expect(ask(true)).toBeUndefined();
  expect(ask(false)).toBeInstanceOf(Promise);
});
