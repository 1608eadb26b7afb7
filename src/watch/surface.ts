import { nextTick } from "../kernel/clock.ts";

/**
 * Throws an error of the program's own code (a listener, a detector) where Node reports uncaught
 * exceptions: it must neither stop the engine nor be hidden.
 */
export function surface(error: unknown): void {
  nextTick(() => {
    throw error;
  });
}
