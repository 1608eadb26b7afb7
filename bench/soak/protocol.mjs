export const QUESTION = "?";
export const ANSWER = "!";
/** Asks the server to end the connection. */
export const PLEASE_CLOSE = "x";
export const PUSHED = "-".repeat(64);
