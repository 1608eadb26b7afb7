import { once } from "node:events";
import { lstatSync, type Stats, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { UsageError } from "./command.ts";

const KINDS: readonly (readonly [is: (found: Stats) => boolean, words: string])[] = [
  [(found) => found.isFile(), "a file"],
  [(found) => found.isDirectory(), "a folder"],
  [(found) => found.isSymbolicLink(), "a symbolic link"],
  [(found) => found.isFIFO(), "a FIFO"],
];

/**
 * Clears the way for a Unix socket at `path`. A server that was killed leaves its socket behind:
 * only such a socket, of this user's and with nobody listening, is removed. connect(2) alone does
 * not tell: it refuses a regular file as it refuses a socket that nobody listens on.
 *
 * @throws UsageError for anything else that has the name
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = statusOf(path);
  if (!found) return;
  if (!found.isSocket()) throw refused(path, KINDS.find(([is]) => is(found))?.[1] ?? "a device");
  // Before the question: another user's server is not to be spoken to.
  if (found.uid !== process.geteuid?.()) throw refused(path, `a socket of the user ${found.uid}`);
  const failure = await failureOf(path);
  if (failure === null) throw refused(path, "the socket of a server that is running");
  if (failure !== "ECONNREFUSED")
    throw refused(path, `a socket that does not take a connection (${failure})`);

  // The name may have become another thing's while the question was out.
  const now = statusOf(path);
  if (!now) return;
  if (!now.isSocket() || now.ino !== found.ino || now.dev !== found.dev)
    throw refused(path, "no longer what it was a moment ago");
  unlinkSync(path);
}

/**
 * Of the name itself: what a symbolic link leads to is not looked at. `null`: nothing has the name.
 */
function statusOf(path: string): Stats | null {
  try {
    return lstatSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return null;
    throw new UsageError(`${path} cannot be looked at: ${message}`);
  }
}

/** Why a connection to the socket fails; `null` when it succeeds. */
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
    `${path} is ${what}, and stays; give a path that nothing has, or remove it yourself`,
  );
}
