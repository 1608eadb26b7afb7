import { createPrivateKey } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LAB_KEY } from "../../../dist/lab/certificate.js";
import { SERVERS } from "../../heartbeat/servers.mjs";

/** @typedef {import("../../heartbeat/servers.mjs").ServerKind} ServerKind */

/** The key of the lab's SSH server and of its only user, as OpenSSH and ssh2 read it. */
export const SSH_KEY = String(createPrivateKey(LAB_KEY).export({ type: "sec1", format: "pem" }));

/**
 * The servers of the clients without an adapter. Real ones where Debian has them; `node-servers.mjs`
 * and `stubs/` say what the others leave out.
 *
 * @satisfies {Record<string, ServerKind>}
 */
export const OTHER_SERVERS = {
  postgres: SERVERS.postgres,
  mariadb: SERVERS.mariadb,
  rabbitmq: {
    ...SERVERS.rabbitmq,
    // The last of its plugins to listen: STOMP.
    port: 61_613,
    start(network, folder) {
      writeFileSync(join(folder, "plugins"), "[rabbitmq_amqp1_0,rabbitmq_stomp].\n");
      return SERVERS.rabbitmq.start(network, folder);
    },
  },
  ssh: {
    needs: "/usr/sbin/sshd",
    port: 22,
    async start(network, folder) {
      const key = join(folder, "key");
      writeFileSync(key, SSH_KEY, { mode: 0o600 });
      const users = join(folder, "users");
      writeFileSync(users, await network.run("right", ["ssh-keygen", "-y", "-f", key]));
      await network.run("right", ["mkdir", "-p", "/run/sshd"]);
      const settings = [
        `HostKey=${key}`,
        `AuthorizedKeysFile=${users}`,
        "PermitRootLogin=yes",
        "StrictModes=no",
        "UsePAM=no",
        "PidFile=none",
        // So bash does not run the start-up file of this machine's root, which may do anything.
        "SetEnv=SHLVL=2",
      ];
      return network.spawn("right", [
        "/usr/sbin/sshd",
        ...["-D", "-e", "-f", "/dev/null"],
        ...settings.flatMap((setting) => ["-o", setting]),
      ]);
    },
  },
  imap: {
    needs: "dovecot",
    port: 143,
    async start(network, folder) {
      const [settings, mail] = [join(folder, "dovecot.conf"), join(folder, "mail")];
      mkdirSync(mail);
      await network.run("right", ["chown", "mail:mail", mail]);
      writeFileSync(
        settings,
        `protocols = imap
listen = 0.0.0.0
base_dir = ${folder}/run
state_dir = ${folder}/run
log_path = /dev/stderr
ssl = no
first_valid_uid = 1
disable_plaintext_auth = no
mail_location = maildir:${mail}
passdb {
  driver = static
  args = password=lab
}
userdb {
  driver = static
  args = uid=mail gid=mail home=${mail}
}
`,
      );
      return network.spawn("right", ["dovecot", "-F", "-c", settings]);
    },
  },
  opcua: {
    needs: "node",
    port: 4840,
    start: (network, folder) =>
      network.spawn(
        "right",
        [process.execPath, new URL("opcua-server.mjs", import.meta.url).pathname],
        { env: { XDG_CONFIG_HOME: folder } },
      ),
  },
  node: {
    needs: "node",
    port: 8109,
    start: (network) =>
      network.spawn("right", [
        process.execPath,
        new URL("node-servers.mjs", import.meta.url).pathname,
      ]),
  },
};
