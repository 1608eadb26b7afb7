// Replaces process.stdout and process.stderr. Node for Windows does not recognise Wine's pipes, so
// the first access to either stream throws EBADF; net.Socket reads them when a socket is destroyed.
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
