import { expect, it } from "vitest";
import { classifyEnding } from "../../src/core/classify-ending.ts";

const ending = { hasPeerEnded: false, info: null, unansweredAttempts: 0, localPath: null, pausedForMs: null };

it.each([
  ["ETIMEDOUT", "dead", "path-silent", "high"],
  // WSAENETRESET of Windows, for which libuv has no name.
  ["UNKNOWN", "dead", "path-silent", "medium"],
  ["ECONNRESET", "dead", "peer-reset", "high"],
  ["ERR_OF_THE_PROGRAM", "alive", "closed-locally", "medium"],
] as const)("a socket that ended with %s: %s, %s, %s", (errorCode, state, cause, certainty) => {
  expect(classifyEnding({ ...ending, errorCode })).toMatchObject({ state, cause, certainty });
});
