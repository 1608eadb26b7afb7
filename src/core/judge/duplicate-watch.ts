import type { TcpInfo } from "../tcp-info.ts";

/**
 * Tells from two readings whether the peer sent nothing but repetitions: segments with data, none
 * of it new, and no pure ACK among them. A peer that repeats itself did not hear our
 * acknowledgments, although each repetition refreshes the age of its last ACK.
 */
export class DuplicateWatch {
  #segments = 0;
  #dataSegments = 0;
  #bytes = 0;

  /**
   * Repetitions since the last call; 0 when anything else came with them, or the kernel does not
   * count (Linux < 4.6).
   */
  since(info: TcpInfo): number {
    const { segmentsIn = 0, dataSegmentsIn = 0, bytesReceived = 0 } = info;
    const segments = segmentsIn - this.#segments;
    const data = dataSegmentsIn - this.#dataSegments;
    const isNew = bytesReceived !== this.#bytes;
    this.#segments = segmentsIn;
    this.#dataSegments = dataSegmentsIn;
    this.#bytes = bytesReceived;
    return data > 0 && data === segments && !isNew ? data : 0;
  }
}
