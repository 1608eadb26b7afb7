// A PostgreSQL pool that does not hand out dead connections, and whose queries fail within 5
// seconds instead of 15 minutes.
//   node examples/pg-pool.mjs [postgres://USER@HOST/DATABASE]
import { watchPgPool } from "halfopen/heartbeat";
import pg from "pg";

const [connectionString = "postgres://postgres@127.0.0.1/postgres"] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString, connectionTimeoutMillis: 3000 });

// A connection that lay idle in the pool ended. The pool removes it by itself; without this
// listener the program would end.
pool.on("error", (error) => console.log("lost", error.message));

// All connections, those to come included. A query may take as long as it wants: a slow server is
// not a dead one.
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
    // The server may have carried it out or not. Repeat only what may be done twice.
    console.log("failed", error.message);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
