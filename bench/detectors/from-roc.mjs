// Turns an unpacked dump.csv of roc-streaming/qa (reports/*/dump.csv.xz) on standard input into a
// recording for --trace. Rows `m,arrival in ns,RTP time at 44.1 kHz,...`: one for the last packet
// of each burst that was read.
import { readFileSync } from "node:fs";

const INTERVAL_MS = 100;
const packets = readFileSync(0, "utf8")
  .split("\n")
  .filter((line) => line.startsWith("m,"))
  .map((line) => line.split(",").map(Number))
  .map(([, arrivalNs, rtpTime]) => ({ arrivedAt: arrivalNs / 1e6, sentAt: rtpTime / 44.1 }));
const [first] = packets;
let due = 0;
console.log("# sequence sentMs arrivedMs");
for (const packet of packets) {
  const sentAt = packet.sentAt - first.sentAt;
  const delay = packet.arrivedAt - first.arrivedAt - sentAt;
  // A heartbeat due now would have travelled with the first packet behind it. One that no packet
  // followed within its interval is missing.
  if (sentAt < due * INTERVAL_MS) continue;
  due = Math.floor(sentAt / INTERVAL_MS);
  console.log(`${due} ${due * INTERVAL_MS} ${(due * INTERVAL_MS + delay).toFixed(3)}`);
  due++;
}
