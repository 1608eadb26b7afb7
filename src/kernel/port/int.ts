/** Returns a number as C's int, which most socket options are. */
export function int(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}
