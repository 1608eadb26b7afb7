import { HalfOpenError } from "../../core/errors.ts";
import { darwinSettings } from "./system-settings-darwin.ts";
import { linuxSettings } from "./system-settings-linux.ts";
import type { RunProgram, SystemSettingsStore } from "./system-settings-store.ts";
import { win32Settings } from "./system-settings-win32.ts";

/** Returns the settings of a platform. @throws HalfOpenError `ERR_NOT_SUPPORTED` */
export function systemSettings(platform: NodeJS.Platform, run: RunProgram): SystemSettingsStore {
  if (platform === "linux") return linuxSettings("/proc/sys/net/ipv4", "/etc/sysctl.d");
  if (platform === "darwin") return darwinSettings(run);
  if (platform === "win32") return win32Settings(run);
  throw new HalfOpenError(
    "ERR_NOT_SUPPORTED",
    `halfopen does not know the system-wide keepalive settings of ${platform}`,
  );
}
