// A worker that waits for jobs in a Redis list, and notices within 5 seconds that Redis is gone.
// ioredis connects again by itself.
//   node examples/ioredis.mjs [redis://HOST]      and then: redis-cli rpush jobs hello
import { watchIoredis } from "halfopen/heartbeat";
import { Redis } from "ioredis";

const [url = "redis://127.0.0.1"] = process.argv.slice(2);
const redis = new Redis(url, { connectTimeout: 3000, maxRetriesPerRequest: null });

redis.on("ready", () => console.log("connected"));
redis.on("error", (error) => console.log("lost", error.message));

// Follows the client from connection to connection. While BLPOP waits, Redis answers nothing else,
// so halfopen checks the machine of Redis and not the program.
watchIoredis(redis, { detectWithinMs: 5000 }).on("dead", ({ remote, cause }) =>
  console.log("dead", remote, cause),
);

for (;;) {
  // Waits two seconds at a time, not for ever, so that Redis itself can be checked in between.
  const job = await redis.blpop("jobs", 2).catch(() => null);
  if (job) console.log("job", job[1]);
}
