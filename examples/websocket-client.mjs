// A WebSocket client (package ws) that notices within 5 seconds that its server is gone, and
// connects again.
//   node examples/websocket-client.mjs [URL]      with examples/websocket-server.mjs at the other
//   end
import { watchWs } from "halfopen/heartbeat";
import WebSocket from "ws";

const [url = "ws://127.0.0.1:8080"] = process.argv.slice(2);

function open() {
  // The timeout bounds the connecting; the watch bounds everything after it.
  const ws = new WebSocket(url, { handshakeTimeout: 5000 });
  // ws hides the errors of its socket: a dead server is a plain "close" below, and the reason comes
  // here.
  watchWs(ws, { detectWithinMs: 5000 }).on("dead", ({ cause, why }) =>
    console.log("dead", cause, why.join("; ")),
  );
  ws.on("open", () => console.log("connected"));
  ws.on("error", (error) => console.log("failed", error.message)); // refused, no answer in time
  ws.on("close", () => setTimeout(open, 1000));
}

open();
