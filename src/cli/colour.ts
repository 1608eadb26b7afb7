import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

let isColoured: boolean | undefined;

/** Colours on a terminal only, and never where NO_COLOR is set (no-color.org). */
export function paint(style: Style, text: string): string {
  // Asked once: both are looked up natively each time, and a table paints every line.
  isColoured ??= process.stdout.isTTY === true && !process.env.NO_COLOR;
  return isColoured ? styleText(style, text) : text;
}
