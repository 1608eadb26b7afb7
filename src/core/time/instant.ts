/**
 * Milliseconds on a monotonic clock whose origin means nothing. Deadlines are instants; wall-clock
 * time only labels events for people.
 */
export type Instant = number;
