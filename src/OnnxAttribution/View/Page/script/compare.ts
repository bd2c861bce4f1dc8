import type { Mark } from "./card";
import type { Compared, Comparison, Known } from "./contract";
import { tokens } from "./header";
import type { Graph } from "./model";
import type { Scene } from "./scene";
import { byId, count, h, number, plain, visible } from "./text";

/** In which run something is, as the contract numbers it and the style sheet has its colours. */
const PRESENCES = ["both", "opposite", "a", "b"];
const WORDS = ["in both", "in both, opposite signs", "only in A", "only in B"];

type Fact = [name: string, value: string | null];

/** Marks every node and edge by which of the two runs has it: the style sheet's colours hang on that. */
export function markPresence(graph: Graph, scene: Scene): void {
  const { comparison } = graph.page;
  if (comparison === null) return;
  document.documentElement.dataset.comparison = comparison.align;
  scene.nodes.forEach((node, i) => i !== graph.metric && (node.dataset.in = PRESENCES[comparison.nodes[i]]));
  scene.edges.forEach((edge, e) => (edge.dataset.in = PRESENCES[comparison.edges[e]]));
}

/** In which run a node or an edge is, as a name of the style sheet; null on a page of one run, and of the metric. */
export function presenceOf(graph: Graph, node: number, edge: number | null): string | null {
  const { comparison } = graph.page;
  if (comparison === null) return null;
  return edge !== null ? PRESENCES[comparison.edges[edge]] : node === graph.metric ? null : PRESENCES[comparison.nodes[node]];
}

/** What each of the two measures, and its clean value; null on a page of one run. */
export function metricsOfBoth(graph: Graph): string | null {
  const clean = (run: Compared) => (run.clean === null ? "" : ` ${number(run.clean)}`);
  return graph.page.comparison?.runs.map((run, i) => `${"AB"[i]}: ${plain(run.metric)}${clean(run)}`).join(", ") ?? null;
}

/** What stands above a list of nodes; null on a page of one run. */
export const captionOfBoth = (graph: Graph): string | null => (graph.page.comparison === null ? null : "effect in A | in B");

/** A node's effects in both, or an edge's; null on a page of one run. */
export function bothEffects(graph: Graph, node: number, edge: number | null): string | null {
  const { comparison } = graph.page;
  if (comparison === null) return null;
  return comparison.runs.map(run => number(edge === null ? run.effects[node] : run.edgeEffects[edge], 3)).join(" | ");
}

/** The same as is read aloud, and in which of the two it is; null on a page of one run. */
export function effectsInWords(graph: Graph, node: number): string | null {
  const { comparison } = graph.page;
  if (comparison === null) return null;
  const known = comparison.runs.flatMap(({ effects }, i) =>
    effects[node] === null ? [] : [`${number(effects[node], 3)} in ${"AB"[i]}`],
  );
  return `, ${WORDS[comparison.nodes[node]]}${known.length === 0 ? "" : `, effect ${known.join(", ")}`}`;
}

/** What is said of a node in place of one run's figures; null on a page of one run. */
export function factsOfBoth(graph: Graph, node: number): Fact[] | null {
  const { comparison } = graph.page;
  if (comparison === null) return null;
  const both = (name: string, of: (run: Compared) => Known): Fact[] =>
    comparison.runs.map((run, i) => [`${name} in ${"AB"[i]}`, of(run) === null ? null : number(of(run))]);
  if (node === graph.metric) return both("clean", run => run.clean);
  const edges = [...graph.ins[node], ...graph.outs[node]];
  const shared = edges.filter(e => comparison.edges[e] < 2).length;
  return [
    ["is", WORDS[comparison.nodes[node]]],
    ...both("effect", run => run.effects[node]),
    ...both(graph.isError(node) ? "norm" : "activation", run => run.activations[node]),
    ["drawn edges in both", `${shared} of ${edges.length}`],
  ];
}

/** A node's activations in both, where they are known; null on a page of one run. */
export function marksOfBoth(graph: Graph, node: number): Mark[] | null {
  const { comparison } = graph.page;
  if (comparison === null) return null;
  return comparison.runs.flatMap(({ activations }, i) => {
    const activation = activations[node];
    return activation === null ? [] : [{ name: `in ${"AB"[i]}`, activation, side: PRESENCES[2 + i] }];
  });
}

/** What colours and lines mean. */
export const legendOfBoth = (): HTMLElement[] => [
  ...WORDS.map((word, i) => h("span", { class: "item" }, swatch(i), word)),
  h("span", { class: "words" }, "Width: √|effect| in A or in B, whichever is larger. A diamond, a bar from the right: below 0 there."),
];

/** The figures that both share, and what was asked of each. */
export function writeComparison(comparison: Comparison): void {
  byId("header").append(
    h("div", { class: "title" }, ...comparison.runs.map((run, i) => asked(run, i))),
    counts(comparison),
    h(
      "details",
      { id: "about" },
      h("summary", {}, comparison.notes.length === 0 ? "Nothing was asked otherwise" : "In what they differ"),
      ...[...comparison.runs.map((run, i) => `${"AB"[i]} is ${run.run}`), ...comparison.notes].map(note => h("p", {}, plain(note))),
    ),
  );
}

/** A long prompt scrolls; what was asked of it stands beside that, and does not. */
function asked(run: Compared, i: number): HTMLElement {
  const { target, foil } = run;
  return h(
    "div",
    { class: "asked" },
    h(
      "h1",
      { class: run.tokens.length > 24 ? "long" : null, "aria-label": `${"AB"[i]}: ${plain(run.title)}` },
      h("b", { class: "side", "data-in": PRESENCES[2 + i] }, "AB"[i]),
      ...(run.tokens.length === 0 ? [plain(run.title)] : tokens(run.tokens, run.position)),
    ),
    h(
      "p",
      {},
      ...(target === null || run.tokens.length === 0
        ? []
        : [h("span", { class: "arrow", "aria-hidden": "true" }, "→"), h("span", { class: "token next" }, visible(target))]),
      ...(foil === null ? [] : [h("span", { class: "aside" }, " over "), h("span", { class: "token" }, visible(foil))]),
      h(
        "span",
        { class: "aside" },
        ` ${plain(run.metric)} `,
        run.clean === null ? null : h("b", {}, number(run.clean)),
      ),
    ),
  );
}

function counts({ counts: [nodes, edges], spearman, align }: Comparison): HTMLElement {
  const row = (name: (Node | string)[], cells: string[]): HTMLElement =>
    h("tr", {}, h("th", { scope: "row" }, ...name), ...cells.map(cell => h("td", {}, cell)));
  const heads = [align === "feature" ? "summed over positions" : "by position", "nodes", "edges"];
  const table = h(
    "table",
    {},
    h("tr", {}, ...heads.map(word => h("th", { scope: "col" }, word))),
    ...WORDS.map((word, i) => row([swatch(i), word], [nodes, edges].map(c => c[i].toLocaleString("en-US")))),
    row(["Spearman over the shared"], spearman.map(s => number(s, 3))),
  );
  const details = h("details", { id: "comparison" }, h("summary", {}, `A and B share ${count(nodes[0] + nodes[1], "node")}`), table);
  details.open = innerWidth > 820;
  return details;
}

const swatch = (i: number): HTMLElement => h("i", { class: "swatch", "data-in": PRESENCES[i] });
