/**
 * The first versions that give access to the descriptor of a connection, found by trying. The
 * versions before them, Bun 1.3.14 and Deno 2.7.14, do not.
 */
const TELLS_DESCRIPTORS = { bun: [1, 4], deno: [2, 8] } as const;

/** Returns in words why a runtime other than Node gives no descriptors; `null` when it does. */
export function whyNoDescriptors(
  versions: Readonly<Record<string, string | undefined>> = process.versions,
  platform: NodeJS.Platform = process.platform,
): string | null {
  for (const [name, [major, minor]] of Object.entries(TELLS_DESCRIPTORS)) {
    const version = versions[name];
    if (version === undefined) continue;
    if (platform !== "linux") return `${name} ${version} was never run on ${platform}`;
    const [ownMajor = 0, ownMinor = 0] = version.split(".").map(Number);
    if (ownMajor < major || (ownMajor === major && ownMinor < minor))
      return `${name} ${version} does not give the descriptor of a connection; ${name} ${major}.${minor} does`;
  }
  return null;
}
