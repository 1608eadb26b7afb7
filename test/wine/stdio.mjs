// Node for Windows does not know what Wine's pipes are, and its first look at process.stdout or
// stderr throws EBADF; net.Socket looks at them whenever a socket is destroyed.
import { writeSync } from "node:fs";
import { Writable } from "node:stream";

for (const [fd, name] of [
  [1, "stdout"],
  [2, "stderr"],
]) {
  const write = (chunk, _encoding, done) => {
    writeSync(fd, chunk);
    done();
  };
  Object.defineProperty(process, name, { value: new Writable({ write }) });
}
