import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/** Colours on a terminal only, and never where NO_COLOR is set (no-color.org). */
export function paint(style: Style, text: string): string {
  const { env, stdout } = process;
  return stdout.isTTY && !env.NO_COLOR ? styleText(style, text) : text;
}
