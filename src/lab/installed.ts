import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";

/**
 * Returns whether a program can be run. Searches /usr/sbin and /sbin too, which ordinary users may
 * not have in PATH.
 */
export function isInstalled(command: string): boolean {
  if (isAbsolute(command)) return isExecutable(command);
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders.some((folder) => isExecutable(join(folder, command)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
