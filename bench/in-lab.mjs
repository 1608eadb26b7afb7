import { World } from "../dist/lab/world.js";
import { Folder } from "../test/heartbeat/servers.mjs";

/**
 * Measures in a network of its own, with a folder for its servers. Both go away behind it, also when
 * the bench is interrupted.
 *
 * @template Result
 * @param {import("../dist/lab/network.js").NetworkOptions} options
 * @param {(network: import("../dist/lab/network.js").Network, folder: Folder) => Promise<Result>}
 *   measureIn
 */
export async function inLab(options, measureIn) {
  const folder = new Folder();
  const world = await World.open();
  const clear = async () => {
    await world.close();
    folder[Symbol.dispose]();
  };
  const interrupt = () => void clear().then(() => process.exit(130));
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  try {
    return await measureIn(await world.network(options), folder);
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
    await clear();
  }
}
