// A program of the soak does what it is asked over standard input, one JSON object a line, and
// answers on standard output.
import { createInterface } from "node:readline";

export function serve(works) {
  createInterface({ input: process.stdin }).on("line", async (line) => {
    const { id, work, argument } = JSON.parse(line);
    try {
      tell({ id, result: (await works[work](argument)) ?? null });
    } catch (error) {
      tell({ id, error: String(error.stack ?? error) });
    }
  });
  tell({ id: 0, result: null });
}

function tell(answer) {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

/**
 * The asking side: a function `ask(work, argument)` for a process of the lab's. Resolves once the
 * program is there. What it says unasked goes to `onOther`.
 */
export async function askerOf(program, onOther = (_line) => {}) {
  const waiting = new Map();
  let lastId = 0;
  program.onLine((line) => {
    if (!line.startsWith("{")) return onOther(line);
    const { id, result, error } = JSON.parse(line);
    waiting.get(id)?.(error === undefined ? { result } : { error });
    waiting.delete(id);
  });
  program.onExit((code, signal) => {
    for (const settle of waiting.values())
      settle({
        error: `a program of the soak ended (${code ?? signal}): ${program.errors.join("\n")}`,
      });
  });
  const answerTo = (id) =>
    new Promise((resolve, reject) => {
      waiting.set(id, ({ result, error }) =>
        error === undefined ? resolve(result) : reject(new Error(error)),
      );
    });
  await answerTo(0);
  return async (work, argument) => {
    const id = ++lastId;
    const answer = answerTo(id);
    await program.write(JSON.stringify({ id, work, argument }));
    return answer;
  };
}
