import { FOR_EVER } from "./draw-world.ts";
import type { World, WorldEvent } from "./world.ts";

/** Steps to which instants are rounded, the coarsest first. */
const STEPS_MS = [10_000, 1000, 500, 100, 10];
const SILENT = { writeEveryMs: 0, isAnswered: false, peerWritesEveryMs: 0 };

/**
 * Makes a world as small as it can be while `fails` still holds: drops events and connections,
 * makes ordinary what is special, and rounds numbers, until no step is left that keeps the failure.
 */
export async function shrink(
  world: World,
  fails: (world: World) => Promise<boolean>,
  mostTries = 2000,
): Promise<World> {
  let smallest = world;
  let tries = 0;
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const smaller of smallerThan(smallest)) {
      if (++tries > mostTries) return smallest;
      if (!(await fails(smaller))) continue;
      smallest = smaller;
      isSmaller = true;
      break;
    }
  }
  return smallest;
}

function* smallerThan(world: World): Generator<World> {
  const { events, connections } = world;
  for (let i = 0; i < events.length; i++)
    yield { ...world, events: events.filter((_, at) => at !== i) };
  for (let on = 0; connections.length > 1 && on < connections.length; on++)
    yield withoutConnection(world, on);
  yield* ordinary(world);
  for (let i = 0; i < events.length; i++)
    for (const event of simpler(events[i] as WorldEvent))
      yield { ...world, events: events.with(i, event) };
  for (const stepMs of STEPS_MS) {
    const forMs = Math.ceil(world.forMs / stepMs) * stepMs;
    if (forMs < world.forMs || (forMs !== world.forMs && world.forMs % 10 !== 0))
      yield { ...world, forMs };
  }
}

function withoutConnection(world: World, on: number): World {
  const events = world.events
    .filter((event) => !("on" in event) || event.on !== on)
    .map((event) => ("on" in event && event.on > on ? { ...event, on: event.on - 1 } : event));
  return { ...world, connections: world.connections.filter((_, at) => at !== on), events };
}

/** What is special made ordinary, one thing at a time. */
function* ordinary(world: World): Generator<World> {
  const plain: Partial<World> = {
    loss: 0,
    program: { keepalive: null, userTimeoutMs: 0 },
    answersEveryMs: 500,
    hasRtoCap: true,
    onDead: "reset",
    rttMs: 1,
    budgetMs: 5000,
  };
  for (const [name, value] of Object.entries(plain))
    if (JSON.stringify(world[name as keyof World]) !== JSON.stringify(value))
      yield { ...world, [name]: value };
  for (const [on, talk] of world.connections.entries())
    for (const simpler of [
      SILENT,
      { ...talk, isAnswered: false },
      { ...talk, peerWritesEveryMs: 0 },
      { ...talk, writeEveryMs: rounded(talk.writeEveryMs) },
      { ...talk, peerWritesEveryMs: rounded(talk.peerWritesEveryMs) },
    ])
      if (JSON.stringify(simpler) !== JSON.stringify(talk) && weightOf(simpler) <= weightOf(talk))
        yield { ...world, connections: world.connections.with(on, simpler) };
}

function rounded(everyMs: number): number {
  return Math.floor(everyMs / 100) * 100 || everyMs;
}

/** More than zero for each habit of a program. */
function weightOf(talk: typeof SILENT): number {
  return (
    Number(talk.writeEveryMs > 0) + Number(talk.isAnswered) + Number(talk.peerWritesEveryMs > 0)
  );
}

/** An event at rounder instants, or shorter. */
function* simpler(event: WorldEvent): Generator<WorldEvent> {
  if ("way" in event && event.way !== "both") yield { ...event, way: "both" };
  for (const stepMs of STEPS_MS) {
    const atMs = Math.round(event.atMs / stepMs) * stepMs;
    if (event.atMs % stepMs !== 0 && isRounder(atMs, event.atMs)) {
      if (!("toMs" in event)) yield { ...event, atMs };
      else if (event.toMs === FOR_EVER || atMs < event.toMs) yield { ...event, atMs };
    }
    if (!("toMs" in event) || event.toMs === FOR_EVER) continue;
    const toMs = Math.round(event.toMs / stepMs) * stepMs;
    if (event.toMs % stepMs !== 0 && isRounder(toMs, event.toMs) && toMs > event.atMs)
      yield { ...event, toMs };
  }
}

/** Returns whether a number has fewer digits before its zeros than another. */
function isRounder(one: number, other: number): boolean {
  return digits(one) < digits(other);
}

function digits(value: number): number {
  return String(value).replace(/0+$/, "").length;
}
