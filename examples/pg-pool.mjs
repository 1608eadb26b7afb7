// A PostgreSQL pool that does not hand out dead connections, and whose queries fail within 5
// seconds instead of 15 minutes.
//   node examples/pg-pool.mjs [postgres://USER@HOST/DATABASE]
import { watchPgPool } from "halfopen/heartbeat";
import pg from "pg";

const [connectionString = "postgres://postgres@127.0.0.1/postgres"] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString, connectionTimeoutMillis: 3000 });

// An idle connection of the pool ended. The pool removes it by itself, but without this listener
// the program would crash.
pool.on("error", (error) => console.log("lost", error.message));

// Watches all connections, future ones included. A query may take as long as it needs, because a
// slow server is not a dead one.
watchPgPool(pool, { detectWithinMs: 5000 }).on("dead", ({ remote, cause }) =>
  console.log("dead", remote, cause),
);

// The program's work: a query of 8 seconds, again and again.
for (;;) {
  try {
    await pool.query("select 1");
    console.log("connected");
    await pool.query("select pg_sleep(8)");
  } catch (error) {
    // The server may have run the query or not. Repeat only queries that may run twice.
    console.log("failed", error.message);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
