# SPDX-License-Identifier: Apache-2.0
"""How a report looks: readable on a phone and on a desk, by day and by night, and on paper."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5b6570; --line: #d6dbe0; --back: #fff;
  --suspected: #a85a00; --confirmed: #1558b0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaed; --soft: #a3adb8; --line: #3a424b;
  --back: #14181c; --suspected: #f0a24a; --confirmed: #78aefc; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 1rem; }
h1, h2, h3 { line-height: 1.2; margin: 2rem 0 .5rem; }
h1 { margin-top: .5rem; }
h2 { border-top: 1px solid var(--line); padding-top: 1.5rem; }
p { max-width: 44rem; color: var(--soft); margin: .25rem 0 1rem; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); gap: .75rem; }
dt { color: var(--soft); font-size: .85rem; }
dd { margin: 0; }
.wide { overflow-x: auto; margin-bottom: 1rem; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
figure { margin: 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr));
  gap: 1rem; }
svg { width: 100%; height: auto; max-width: 34rem; }
svg text { fill: var(--soft); font-size: 11px; }
svg .title { fill: var(--ink); font-size: 13px; font-weight: 600; }
svg .note { font-size: 10px; }
.grid, .day { stroke: var(--line); fill: none; }
.day { stroke-dasharray: 3 3; }
.suspected { --tone: var(--suspected); }
.confirmed { --tone: var(--confirmed); }
.line { stroke: var(--tone); stroke-width: 2; fill: none; stroke-linejoin: round; }
.suspected .line { stroke-dasharray: 6 3; }
.band { fill: var(--tone); opacity: .12; }
.whisker { stroke: var(--tone); }
circle { fill: var(--back); stroke: var(--tone); stroke-width: 2.5; }
.key { font-size: .875rem; }
.key span { margin-right: 1.25rem; color: var(--tone); }
.key span::before { content: ""; display: inline-block; width: 1.75rem; margin-right: .4rem;
  border-top: 2px solid var(--tone); vertical-align: middle; }
.key .suspected::before { border-top-style: dashed; }
.strips { display: grid; gap: 1rem; margin-bottom: 1rem; }
.strips .wide { margin: 0; }
.strips img { width: 100%; min-width: 44rem; display: block; border-radius: 4px; }
.strips figcaption { font-size: .875rem; overflow-wrap: anywhere; }
.strips i { color: var(--soft); }
"""
