import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import type { AuditedConnection } from "../src/audit/audited-connection.ts";
import type { GuardEvent } from "../src/guard/event.ts";
import { World } from "../src/lab/world.ts";
import { asUser, HALFOPEN, NOBODY, type Running, runningOf, Stage, until } from "./cli/stage.ts";
import { describeWith } from "./setup/requires.ts";

/** The parts of a container that the test runs by. */
interface Container {
  readonly name: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly securityContext: {
    readonly runAsUser: number;
    readonly readOnlyRootFilesystem: boolean;
    readonly allowPrivilegeEscalation?: boolean;
    readonly capabilities: { readonly drop: readonly string[]; readonly add: readonly string[] };
  };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

interface PodSpec {
  readonly hostPID?: boolean;
  readonly shareProcessNamespace?: boolean;
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly name: string; readonly configMap?: { name: string } }[];
}

/** The budget of both manifests, and what may come on top: one survey, and a busy machine. */
const BUDGET_MS = 10_000;
const SLACK_MS = 3000;
const POD_SLICE = "kubepods.slice/kubepods-burstable.slice";
/** Makes the processes of a pod: the first of them is its process 1. */
const POD = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

function documentsOf(name: string): Record<string, unknown>[] {
  const path = fileURLToPath(new URL(`../contrib/kubernetes/${name}`, import.meta.url));
  return parseAllDocuments(readFileSync(path, "utf8")).map(
    (document) => document.toJS() as Record<string, unknown>,
  );
}

function guardIn({ containers }: PodSpec): Container {
  return containers.find(({ name }) => name === "guard") as Container;
}

const [configMap, daemonSet] = documentsOf("daemonset.yaml") as [
  { readonly data: Readonly<Record<string, string>> },
  { readonly spec: { readonly template: { readonly spec: PodSpec } } },
];
const nodePod = daemonSet.spec.template.spec;
const [{ spec: sidecarPod }] = documentsOf("sidecar.yaml") as unknown as [{ spec: PodSpec }];

/** Makes all but the volumes read-only, and proves it. */
const READ_ONLY = `
for at in / /etc /run; do
  mount -o remount,bind,ro $at
  if touch $at/x 2> /dev/null; then exit 99; fi
done
`;

/**
 * Returns a command that runs a container as its manifest says: with these capabilities and no
 * others, on a root that is read-only but for the volumes. `more`: arguments after the manifest's.
 */
function asContainer(
  { command, args, securityContext, volumeMounts }: Container,
  { without = "", more = [] as readonly string[] } = {},
): string[] {
  const { capabilities, readOnlyRootFilesystem, allowPrivilegeEscalation } = securityContext;
  const kept = capabilities.add
    .filter((name) => name !== without)
    .map((name) => `,+${name.toLowerCase()}`);
  const [node = "", main = ""] = HALFOPEN;
  const rules = Buffer.from(configMap.data["guard.yaml"] ?? "").toString("base64");
  const script = `set -e
# The image: a root with this command in its PATH, and a folder for each volume.
mkdir -p /run/image/bin /run/image/etc/halfopen /run/halfopen-guard
cd /run/image
printf '#!/bin/sh\\nexec ${node} ${main} "$@"\\n' > bin/halfopen
chmod +x bin/halfopen
cp -a /etc/ld.so.* /etc/passwd /etc/group etc/
echo ${rules} | base64 -d > etc/halfopen/guard.yaml
mount --bind etc /etc
test ! -d /run/netns || mount -t tmpfs tmpfs /run/netns
${volumeMounts.map(({ name, mountPath }) => (name === "state" ? `mount -t tmpfs tmpfs ${mountPath}` : "")).join("\n")}
export PATH="/run/image/bin:$PATH"
${readOnlyRootFilesystem ? READ_ONLY : ""}
exec env -i PATH="$PATH" "$@"`;
  return [
    "unshare",
    "--mount",
    "sh",
    "-c",
    script,
    "sh",
    "setpriv",
    `--reuid=${securityContext.runAsUser}`,
    `--bounding-set=-all${kept.join("")}`,
    "--inh-caps=-all",
    ...(allowPrivilegeEscalation === false ? ["--no-new-privs"] : []),
    ...command,
    ...args,
    ...more,
  ];
}

const eventsOf = ({ lines }: Running): GuardEvent[] =>
  lines.map((line) => JSON.parse(line) as GuardEvent);
const actionsOf = (running: Running): string[] => eventsOf(running).map(({ action }) => action);
/** Joins a control group, and goes on as the command behind it. */
const joining = (cgroup: string): string[] => [
  ...["sh", "-c", `echo $$ > /run/cgroup/${cgroup}/cgroup.procs; exec "$@"`, "sh"],
];

/** A node with one pod, whose program writes to a server elsewhere. */
class LabNode {
  readonly world: World;
  readonly stage: Stage;
  readonly cgroup: string = `${POD_SLICE}/cri-containerd-${randomBytes(32).toString("hex")}.scope`;
  program!: Running;

  private constructor(world: World, stage: Stage) {
    this.world = world;
    this.stage = stage;
  }

  static async start(): Promise<LabNode> {
    const world = await World.open();
    return new LabNode(world, await Stage.open(world));
  }

  /** A node whose pod has a control group and namespaces of its own, as a runtime makes them. */
  static async withPod(): Promise<LabNode> {
    const node = await LabNode.start();
    const mount = "mkdir /run/cgroup && mount -t cgroup2 none /run/cgroup";
    await node.world.exec(["sh", "-c", `${mount} && mkdir -p /run/cgroup/${node.cgroup}`]);
    node.program = await node.stage.client(7000, {
      isWriting: true,
      prefix: [...joining(node.cgroup), ...POD, ...asUser(NOBODY)],
    });
    return node;
  }

  /** Starts a container of the node: in the first pid namespace, and in a network of its own. */
  async run(argv: readonly string[]): Promise<Running> {
    return runningOf(await this.world.spawn(["unshare", "--net", ...argv]));
  }

  async podNamespace(): Promise<string> {
    const argv = ["stat", "--dereference", "--format=net:[%i]", "/proc/self/ns/net"];
    return (await this.stage.network.run("left", argv)).trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world.close();
    // The world's programs are gone. The hierarchy is the machine's, so its groups are not.
    const folder = mkdtempSync(join(tmpdir(), "halfopen-cgroup-"));
    execFileSync("unshare", [
      ...["--mount", "sh", "-c"],
      `mount -t cgroup2 none ${folder} && cd ${folder} && { test ! -d ${this.cgroup} || rmdir -p --ignore-fail-on-non-empty ${this.cgroup}; }`,
    ]);
    rmSync(folder, { recursive: true });
  }
}

await describeWith(["root", "namespaces", "ss", "setpriv", "nsenter"], "contrib/kubernetes", () => {
  it("has manifests that are a dry run, and that take all other capabilities away", () => {
    for (const { args, securityContext } of [guardIn(nodePod), guardIn(sidecarPod)]) {
      expect(args).not.toContain("--apply");
      expect(securityContext.capabilities.drop).toEqual(["ALL"]);
      expect(securityContext.readOnlyRootFilesystem).toBe(true);
    }
    expect(nodePod.hostPID).toBe(true);
    expect(sidecarPod.shareProcessNamespace).toBe(true);
  });

  it.concurrent("the DaemonSet reports a pod's dead connection with its container, and touches nothing", {
    timeout: 60_000,
  }, async () => {
    await using node = await LabNode.withPod();
    const before = await node.stage.settings();
    const guard = await node.run(asContainer(guardIn(nodePod)));
    await until(() => guard.lines.length > 0, "it sees the connection");
    await node.stage.network.pullCable();
    await until(() => guard.lines.length > 1, "it would end it");
    expect(eventsOf(guard)).toMatchObject([
      { action: "would-set", rule: "pods" },
      { action: "would-destroy", diagnosis: { state: "dead", cause: "path-silent" } },
    ]);
    for (const { connection } of eventsOf(guard))
      expect(connection).toMatchObject({
        process: "node",
        cgroup: `/${node.cgroup}`,
        namespace: await node.podNamespace(),
      });
    expect(await node.stage.settings()).toEqual(before);
    expect(node.program.code()).toBeUndefined();
    expect(guard.process.errors).toEqual([]);
  });

  it.concurrent("the DaemonSet with --apply ends a pod's dead connection in time, and says once that it does so without NET_ADMIN", {
    timeout: 60_000,
  }, async () => {
    await using node = await LabNode.withPod();
    const guard = await node.run(asContainer(guardIn(nodePod), { more: ["--apply"] }));
    await until(() => guard.lines.length > 0, "it sets the connection");
    const cutAt = performance.now();
    await node.stage.network.pullCable();
    expect(await node.program.ended).toBe(7);
    expect(performance.now() - cutAt).toBeLessThan(BUDGET_MS + SLACK_MS);
    await until(() => guard.lines.length > 1, "it says so");
    expect(actionsOf(guard)).toEqual(["set", "destroy"]);
    expect(guard.process.errors).toEqual([
      expect.stringMatching(/SOCK_DESTROY needs CAP_NET_ADMIN.*through duplicates/),
    ]);
    await guard.process.signal("SIGTERM");
    expect(await guard.ended).toBe(0);
  });

  it.concurrent.each(guardIn(nodePod).securityContext.capabilities.add)(
    "the DaemonSet without %s is refused with the name of what is missing, which the kernel would refuse later",
    { timeout: 60_000 },
    async (without) => {
      await using node = await LabNode.withPod();
      const guard = await node.run(asContainer(guardIn(nodePod), { without }));
      expect(await guard.ended).toBe(3);
      expect(guard.lines).toEqual([]);
      expect(guard.process.errors.join("\n")).toContain(`missing here: CAP_${without} (`);

      // The audit takes what it gets, and so shows what the guard would have missed.
      const args = ["audit", "--all-namespaces", "--json"];
      const reached = async (lacking: string): Promise<number> => {
        const container = { ...guardIn(nodePod), args };
        const audit = await node.run(asContainer(container, { without: lacking }));
        await audit.ended;
        const { connections } = JSON.parse(audit.lines.join("\n")) as {
          connections: AuditedConnection[];
        };
        const namespace = await node.podNamespace();
        return connections.filter((it) => it.namespace === namespace && it.settingsFrom === "read")
          .length;
      };
      expect(await reached("")).toBe(1);
      expect(await reached(without)).toBe(0);
    },
  );

  it.concurrent.each([
    ["with all its capabilities", ""],
    ...guardIn(sidecarPod).securityContext.capabilities.add.map((name) => [
      `not without ${name}`,
      name,
    ]),
  ])(
    "the sidecar with --apply ends the program's dead connection, %s",
    { timeout: 60_000 },
    async (_how, without) => {
      await using node = await LabNode.start();
      const { stage } = node;
      const pause = await stage.start("left", [...POD, "sh", "-c", "echo ready; sleep 1000"]);
      await until(() => pause.lines.length > 0, "the pod runs");
      const { pid } = pause.process;
      const children = await node.world.exec(["cat", `/proc/${pid}/task/${pid}/children`]);
      const shared = ["nsenter", `--target=${children.trim()}`, "--pid", "--mount", "--"];
      const program = await stage.client(7000, {
        isWriting: true,
        prefix: [...shared, ...asUser(NOBODY)],
      });
      const guard = await stage.start("left", [
        ...shared,
        ...asContainer(guardIn(sidecarPod), { without, more: ["--apply"] }),
      ]);
      await until(() => guard.lines.length > 0, "it has handled the connection");
      const cutAt = performance.now();
      await stage.network.pullCable();
      await until(() => guard.lines.length > 1, "it has found the peer dead");
      expect(performance.now() - cutAt).toBeLessThan(BUDGET_MS + SLACK_MS);
      // What it cannot do is told once, when it starts.
      expect(guard.process.errors.length).toBe(1);
      if (without === "") {
        expect(await program.ended).toBe(7);
        expect(actionsOf(guard)).toEqual(["set", "destroy"]);
        return;
      }
      expect(actionsOf(guard)).toEqual(["error", "would-destroy"]);
      expect(eventsOf(guard)[1]?.reason).toContain("this guard may not end it");
      expect(program.code()).toBeUndefined();
    },
  );
});
