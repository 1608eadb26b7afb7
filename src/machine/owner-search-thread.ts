import { parentPort } from "node:worker_threads";
import { openPort } from "../kernel/open-port.ts";
import { type SearchOrder, searchShares } from "./search-shares.ts";

// A thread that searches for owners, one order after the other. The native back-end loads while the survey is still taken.
openPort();
parentPort?.on("message", (order: SearchOrder) => parentPort?.postMessage(searchShares(order)));
