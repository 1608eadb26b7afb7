import { parentPort } from "node:worker_threads";
import { openPort } from "../kernel/open-port.ts";
import { type SearchOrder, searchShares } from "./search-shares.ts";

// A thread that searches for owners, one order after the other. The native back-end loads while the survey is still taken.
const port = openPort();
if (!port) throw new Error("this thread finds no native back-end, and the one that started it did");
parentPort?.on("message", (order: SearchOrder) => parentPort?.postMessage(searchShares(port, order)));
