import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

let isColoured: boolean | undefined;

/** Colours text on a terminal only, and never when NO_COLOR is set (no-color.org). */
export function paint(style: Style, text: string): string {
  // Read once: each read is a native lookup, and a table paints every line.
  isColoured ??= process.stdout.isTTY === true && !process.env.NO_COLOR;
  return isColoured ? styleText(style, text) : text;
}
