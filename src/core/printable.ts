/**
 * Characters that a terminal or a log would obey instead of showing, by the general categories of
 * Unicode: control characters (C0, DEL, C1), format characters (also those that turn the direction
 * of writing), lone surrogates, and separators of lines.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const EVERY_UNPRINTABLE = new RegExp(UNPRINTABLE, "gu");

/**
 * Makes text from others (names of processes and interfaces, errors of peers) fit for one line of
 * output. Each {@link UNPRINTABLE} character becomes `\x1b` or `\u{202e}`, so the text cannot clear
 * a screen, conceal the text behind it or forge a line.
 */
export function printable(text: string): string {
  return UNPRINTABLE.test(text) ? text.replace(EVERY_UNPRINTABLE, escaped) : text;
}

/** Returns a copy of plain data in which every text is {@link printable}. */
export function printableData<Data>(data: Data): Data {
  if (typeof data === "string") return printable(data) as Data;
  if (Array.isArray(data)) return data.map(printableData) as Data;
  if (typeof data !== "object" || data === null) return data;
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [name, printableData(value)]),
  ) as Data;
}

/**
 * Returns JSON of the same value without control characters: `JSON.stringify` leaves DEL, C1 and
 * format characters as they are.
 */
export function printableJson(json: string): string {
  return UNPRINTABLE.test(json) ? json.replace(EVERY_UNPRINTABLE, inJson) : json;
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const digits = code.toString(16);
  return code < 0x100 ? `\\x${digits.padStart(2, "0")}` : `\\u{${digits}}`;
}

/** Characters beyond 16 bits take two escapes in JSON. A bare newline in JSON is indentation. */
function inJson(character: string): string {
  if (character === "\n") return character;
  let text = "";
  for (let i = 0; i < character.length; i++)
    text += `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`;
  return text;
}
