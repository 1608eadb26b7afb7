import { expect, it } from "vitest";
import { ownTimeoutMs } from "../../../src/heartbeat/clients/own-timeout.ts";

it.each([
  ["PING", [], 0],
  ["GET", ["a"], 0],
  ["set", ["a", "1"], null],
  ["zrange", ["a", 0, -1], null],
  ["blpop", ["a", "b", 1], 1000],
  ["BRPOP", ["a", "0.5"], 500],
  ["bLmOvE", ["a", "b", "LEFT", "RIGHT", Buffer.from("2")], 2000],
  ["bzpopmin", ["a", 0], null],
  ["blmpop", [3, 1, "a", "LEFT"], 3000],
  ["bzmpop", ["0", 1, "a", "MIN"], null],
  ["xread", ["COUNT", 1, "block", "1500", "STREAMS", "block", "7"], 1500],
  ["xread", ["STREAMS", "block", "7"], null],
  ["xreadgroup", ["GROUP", "block", "c", "STREAMS", "a", ">"], null],
  ["XREADGROUP", ["GROUP", "g", "c", "BLOCK", 0, "STREAMS", "a", ">"], null],
  ["wait", [1, 500], 500],
  ["waitaof", [1, 0, "500"], 500],
  ["blpop", ["a", "nonsense"], null],
  ["blpop", ["a", -1], null],
  ["blpop", [], null],
  ["eval", ["return 1", 0], null],
  ["keys", ["*"], null],
])("%s %j promises an answer within %s ms", (name, args, timeoutMs) => {
  expect(ownTimeoutMs(name, args)).toBe(timeoutMs);
});
