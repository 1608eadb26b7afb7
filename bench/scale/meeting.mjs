/** Resolves for all when the last of them has called it; as often as they like. */
export function meetingOf(count) {
  let waiting = [];
  return () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      if (waiting.length < count) return;
      for (const go of waiting) go();
      waiting = [];
    });
}
