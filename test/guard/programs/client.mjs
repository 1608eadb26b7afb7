// node client.mjs ADDRESS PORT idle|writing
import { connect } from "node:net";

const [address, port, what] = process.argv.slice(2);
const socket = connect(Number(port), address).resume();
const timer =
  what === "writing" ? setInterval(() => socket.write("x".repeat(100)), 100) : undefined;
socket.on("error", (error) => {
  console.log(error.code);
  clearInterval(timer);
  process.exitCode = 7;
});
