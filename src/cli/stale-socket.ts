import { once } from "node:events";
import { lstatSync, type Stats, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { UsageError } from "./command.ts";

/**
 * Removes the socket that a killed server left at `path`. Removes nothing but a socket of this user
 * on which nobody listens. connect(2) alone is not enough: it refuses a regular file as it refuses
 * such a socket.
 *
 * @throws UsageError when anything else has the name
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = statusOf(path);
  if (!found) return;
  if (!found.isSocket()) throw refused(path, KINDS.find(([is]) => is(found))?.[1] ?? "a device");
  // Checked before connecting: another user's server must not be contacted.
  if (found.uid !== process.geteuid?.()) throw refused(path, `a socket of the user ${found.uid}`);
  const failure = await failureOf(path);
  if (failure === null) throw refused(path, "the socket of a server that is running");
  if (failure !== "ECONNREFUSED")
    throw refused(path, `a socket that does not take a connection (${failure})`);

  // The name may have changed hands during the attempt to connect.
  const now = statusOf(path);
  if (!now) return;
  if (!now.isSocket() || now.ino !== found.ino || now.dev !== found.dev)
    throw refused(path, "no longer what it was a moment ago");
  unlinkSync(path);
}

const KINDS: readonly (readonly [is: (found: Stats) => boolean, words: string])[] = [
  [(found) => found.isFile(), "a file"],
  [(found) => found.isDirectory(), "a folder"],
  [(found) => found.isSymbolicLink(), "a symbolic link"],
  [(found) => found.isFIFO(), "a FIFO"],
];

/**
 * Returns the status of the name itself, not of the target of a symbolic link. `null`: nothing has
 * the name.
 */
function statusOf(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    throw new UsageError(`${path} cannot be examined: ${message}`);
  }
}

/** Returns why a connection to the socket fails; `null` when it succeeds. */
async function failureOf(path: string): Promise<string | null> {
  const probe = connect(path);
  try {
    await once(probe, "connect");
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  } finally {
    probe.destroy();
  }
}

function refused(path: string, what: string): UsageError {
  return new UsageError(
    `${path} is ${what} and is not removed; give an unused path, or remove it yourself`,
  );
}
