/**
 * Milliseconds on a monotonic clock whose origin means nothing. All deadlines are instants.
 * Wall-clock time only labels events for people.
 */
export type Instant = number;
