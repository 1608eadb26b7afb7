import type { SystemPort } from "../../src/kernel/port/port.ts";

/**
 * Takes the place of src/kernel/port/open-port.ts in the bundle of the product that the fuzzer
 * runs. The bundle is loaded once for each kind of kernel, which its address names.
 */
const kernel = new URL(import.meta.url).searchParams.get("kernel") ?? "";
const { fuzzPorts } = globalThis as unknown as { fuzzPorts: Record<string, SystemPort> };

export function openPort(): SystemPort | null {
  return fuzzPorts[kernel] ?? null;
}

export function whyNoPort(): string | null {
  return null;
}
