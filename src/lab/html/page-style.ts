import { chartStyle } from "./line-chart.ts";

/** The whole style of the page; it loads nothing. */
export const pageStyle: string = `${chartStyle}
:root { color-scheme: light dark; --back: #ffffff; --card: #f5f7f9; --bad: #b3261e; --good: #1a7f4b; --band: rgba(90,110,130,.28); }
@media (prefers-color-scheme: dark) { :root { --back: #12161a; --card: #1b2127; --bad: #ff8a80; --good: #5fd39a; --band: rgba(160,180,200,.28); } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; } h3 { font-size: 1rem; margin: 0 0 .25rem; } h4 { font-size: .85rem; font-weight: 600; color: var(--soft); margin: .6rem 0 .2rem; }
p { margin: .4rem 0; } .soft, figcaption { color: var(--soft); font-size: .9rem; } .bad { color: var(--bad); } .good { color: var(--good); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .6rem; margin: 1rem 0; padding: 0; list-style: none; }
.figures li { background: var(--card); border-radius: .5rem; padding: .6rem .8rem; } .figures b { display: block; font-size: 1.4rem; line-height: 1.2; }
.fault, figure { background: var(--card); border-radius: .5rem; padding: .8rem; margin: 0 0 .8rem; }
.row { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 .75rem; padding: .15rem 0; font-size: .85rem; } .row .name { font-weight: 600; white-space: nowrap; } .row .what { color: var(--ink); text-align: right; margin-left: auto; } .row .what.bad { color: var(--bad); font-weight: 600; }
.track { flex: 0 0 100%; position: relative; height: 14px; border-radius: 7px; background: var(--faint); overflow: hidden; } .track i { position: absolute; top: 0; bottom: 0; left: 0; }
.track .dot { width: 8px; margin-left: -4px; border-radius: 4px; background: currentColor; top: 1px; bottom: 1px; } .track .killed { background: var(--bad); border-radius: 0; }
.track .missed { background: repeating-linear-gradient(135deg, transparent 0 5px, var(--band) 5px 8px); } .track .lives { background: currentColor; opacity: .35; top: 5px; bottom: 5px; border-radius: 2px; }
.track .predicted { background: var(--band); border: 1px solid var(--soft); border-radius: 3px; } .track .budget { width: 0; border-left: 2px dashed var(--soft); }
.axis { position: relative; height: 1.2rem; font-size: .75rem; color: var(--soft); margin-top: .15rem; } .axis i { position: absolute; transform: translateX(-50%); font-style: normal; white-space: nowrap; } .axis i:first-child { transform: none; } .axis i:last-child:not(:first-child) { transform: translateX(-90%); }
details { font-size: .85rem; margin-top: .4rem; } summary { cursor: pointer; color: var(--soft); } details ul { margin: .3rem 0; padding-left: 1.1rem; }
figure svg { width: 100%; max-width: 44rem; height: auto; display: block; margin: 0 auto; } figcaption { margin-top: .6rem; } @media (max-width: 600px) { .chart text { font-size: 18px; } } .legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; list-style: none; padding: 0; margin: .4rem 0 0; font-size: .85rem; } .legend i { display: inline-block; width: 1.2rem; border-top: 3px solid currentColor; margin-right: .4rem; vertical-align: middle; } .legend .dashed { border-top-style: dashed; }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; font-size: .85rem; color: var(--soft); } .key .track { display: inline-block; width: 3rem; vertical-align: middle; margin-right: .4rem; color: var(--c3); }
`;
