import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { detectorCurves } from "../../src/lab/detector-curves.ts";
import { FAULTS } from "../../src/lab/faults.ts";
import { labPage } from "../../src/lab/html/lab-page.ts";
import { boundAt } from "../../src/lab/lower-bound.ts";
import { MECHANISMS } from "../../src/lab/mechanisms.ts";
import { SCENARIOS } from "../../src/lab/scenario.ts";
import { Chromium } from "../setup/chromium.ts";
import { describeWith } from "../setup/requires.ts";
import { everyCell, HOSTILE } from "./report-of.ts";

const report = everyCell();
const simulated = SCENARIOS.map((scenario) => ({
  scenario,
  curves: detectorCurves(scenario, { heartbeats: 20_000, steps: 5, seed: 1 }),
}));
const page = labPage(report, simulated);

describe("the page of a lab report", () => {
  it("lists every fault and mechanism, the broken promises and the faults left out", () => {
    for (const { title } of FAULTS) expect(page).toContain(title.replaceAll("'", "&#39;"));
    for (const mechanism of MECHANISMS) expect(page).toContain(`>${mechanism}<`);
    expect(page).toContain(`${report.summary.ok} of ${report.summary.cells}`);
    expect(page).toContain("left out: nat-forgets");
  });

  it("counts the measured times within the predicted span, and the live peers given up", () => {
    const judged = report.cells.filter(({ detectedMs }) => detectedMs !== null);
    const inside = judged.filter(({ mechanism }) => mechanism !== "heartbeat").length;
    expect(inside).toBeLessThan(judged.length);
    expect(page).toContain(`<b>${inside} / ${judged.length}</b>`);
    expect(page).toContain("not as predicted: cable-pulled, idle, heartbeat, IPv4");
    const killed = report.cells.filter(
      ({ mechanism, falseAlarm }) => mechanism === "watch" && falseAlarm,
    ).length;
    expect(page).toContain(`<b>${killed}</b>live peers given up by watch`);
  });

  it("gives the slowest detection of the faults that leave watch its usual time", () => {
    const found = report.cells.find(
      ({ fault, mechanism }) => fault === "zeroed-tcp-info" && mechanism === "watch",
    );
    const cells = report.cells.map((cell) =>
      cell === found ? { ...cell, detectedMs: null } : cell,
    );
    const text = /<b>([^<]+)<\/b>slowest detection/;
    expect(labPage({ ...report, cells }, []).match(text)?.[1]).toBe(page.match(text)?.[1]);
    expect(page.match(text)?.[1]).toMatch(/^[\d.]+ s$/);
  });

  it("loads nothing, runs no script, and shows hostile text as text", () => {
    expect(page).not.toContain(HOSTILE);
    expect(page).not.toMatch(/<script|<img|<link|<iframe|@import|url\(/);
    expect(
      page.replaceAll("http://www.w3.org/2000/svg", "").match(/<[^>]*https?:\/\/[^>]*>/g),
    ).toBeNull();
  });

  it("draws every detector and the bound, and no detector undercuts the bound by more than chance", () => {
    for (const { curves } of simulated) {
      const [bound, ...detectors] = curves;
      if (!bound) throw new Error("no curves");
      expect(bound.isBound).toBe(true);
      expect(detectors.map(({ name }) => name)).toEqual(
        expect.arrayContaining(["NFD-S", "NFD-E", "fixed timeout", "phi, normal"]),
      );
      for (const { name, points } of detectors) {
        for (const { detectionMs, mistakesPerHour, mistakes } of points) {
          const least = boundAt(bound, detectionMs) ?? 0;
          // Four standard deviations of a count of losses in bursts of about five heartbeats.
          expect(mistakesPerHour, `${name} at ${detectionMs} ms`).toBeGreaterThan(
            least * (1 - Math.min(0.9, 4 * Math.sqrt(5 / mistakes))),
          );
        }
      }
    }
  });
});

await describeWith(["chromium"], "the page of a lab report in a browser", () => {
  let browser: Chromium;
  let folder: string;
  let url: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "halfopen-page-"));
    const file = join(folder, "lab.html");
    await writeFile(file, page);
    url = pathToFileURL(file).href;
    browser = await Chromium.open();
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  for (const scheme of ["light", "dark"] as const) {
    for (const width of [320, 390, 1280]) {
      it(`is readable ${width} px wide, ${scheme}`, async () => {
        await browser.show(url, { width, height: 800, scheme });
        const { scrollWidth, outside, faults, smallest } = await browser.evaluate<{
          scrollWidth: number;
          outside: string[];
          faults: number;
          smallest: number;
        }>(MEASURE);
        expect(scrollWidth).toBeLessThanOrEqual(width);
        expect(outside).toEqual([]);
        expect(faults).toBe(FAULTS.length);
        expect(smallest, "px of the smallest text").toBeGreaterThanOrEqual(9);
        // WCAG 2.2, 1.4.3: 4.5 for text.
        expect(await browser.evaluate<string[]>(LOW_CONTRAST)).toEqual([]);
      });
    }
  }

  it("looks different in the dark", async () => {
    const back = "getComputedStyle(document.body).backgroundColor";
    await browser.show(url, { width: 800, height: 800, scheme: "light" });
    const light = await browser.evaluate<string>(back);
    await browser.show(url, { width: 800, height: 800, scheme: "dark" });
    expect(await browser.evaluate<string>(back)).not.toBe(light);
  });

  it("requests nothing but itself from the network, and logs nothing", () => {
    const asked = browser.events
      .filter(({ method }) => method === "Network.requestWillBeSent")
      .map(({ params }) => (params.request as { url: string }).url);
    expect(asked.length).toBeGreaterThan(0);
    expect([...new Set(asked)]).toEqual([url]);
    expect(
      browser.events.filter(
        ({ method }) => method === "Log.entryAdded" || method === "Runtime.consoleAPICalled",
      ),
    ).toEqual([]);
  });
});

/** Runs in the page: finds elements that overflow, and the smallest text. SVG text scales. */
const MEASURE = `(() => {
  const width = document.documentElement.clientWidth;
  const shown = [...document.body.querySelectorAll("*")].filter((element) => element.getClientRects().length > 0);
  const outside = shown.filter((element) => !element.closest(".track") && element.getBoundingClientRect().right > width + 1).map((element) => element.outerHTML.slice(0, 120));
  const sizes = shown.filter((element) => element.textContent.trim() !== "" && element.children.length === 0).map((element) => {
    const size = parseFloat(getComputedStyle(element).fontSize);
    const svg = element.closest("svg");
    return svg ? size * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : size;
  });
  return { scrollWidth: document.documentElement.scrollWidth, outside, faults: document.querySelectorAll(".fault").length, smallest: Math.min(...sizes) };
})()`;

/**
 * Runs in the page: finds texts with too little contrast against the nearest painted background.
 */
const LOW_CONTRAST = `(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => { const [r, g, b] = rgb(text).map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4)); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const backOf = (element) => { for (let at = element; at; at = at.parentElement) { const back = getComputedStyle(at).backgroundColor; if ((rgb(back)[3] ?? 1) > 0.99) return back; } return "rgb(255,255,255)"; };
  const texts = [...document.querySelectorAll("h1,h2,h3,h4,p,li,span,b,summary,figcaption,text,.axis i")].filter((element) => element.textContent.trim() !== "" && element.getClientRects().length > 0);
  return texts.flatMap((element) => {
    const style = getComputedStyle(element);
    const ink = element.tagName === "text" ? style.fill : style.color;
    const [a, b] = [light(ink), light(backOf(element))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    return contrast < 4.5 ? [contrast.toFixed(2) + ": " + element.outerHTML.slice(0, 100)] : [];
  });
})()`;
