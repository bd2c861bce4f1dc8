import type { Head, Known, Score } from "./contract";
import type { Graph } from "./model";
import { signClass } from "./scene";
import { count, h, number, percent, plain, svg, visible } from "./text";

/** Makes a row of the panel's lists for a node, with the edge that it is an end of. */
export type EdgeRow = (node: number, value: Known, share: number, text: string, edge: number, note: string) => HTMLElement;

/** The strongest parts of an edge by heads, such as "2.0 key 2.51 · around −0.2"; null where it passes none, or was not split. */
export function partsOf(graph: Graph, edge: number): string | null {
  const heads = graph.page.heads;
  const parts = heads?.parts[edge] ?? [];
  if (heads === null || parts.every(([way]) => heads.ways[way] === "around")) return null;
  return parts.map(([way, effect]) => `${heads.ways[way] ?? ""} ${number(signed(graph, effect), 3)}`).join(" · ");
}

/** What is shown of an effect: what an ablation does, or the contribution that it takes away. */
const signed = (graph: Graph, effect: number): number => (graph.showsAblation ? effect : -effect);

/** The heads that edges pass, each with its strongest edges. */
export function headsOf(graph: Graph, row: EdgeRow): HTMLElement[] {
  const heads = graph.page.heads;
  if (heads === null || heads.count === 0) return [];
  const all = (head: Head) => head.value + head.query + head.key;
  const most = Math.max(...heads.strongest.map(all), 1e-30);
  const shown = heads.count > heads.strongest.length ? `${heads.strongest.length} of ${heads.count} · ` : "";
  return [
    h("h3", {}, "Strongest heads", h("small", {}, `${shown}sum of |effect| over edges`)),
    ...heads.strongest.map(head => {
      const strongest = Math.max(...head.drawn.map(([, effect]) => Math.abs(effect)), 1e-30);
      return h(
        "details",
        { class: "attention" },
        h("summary", {}, h("b", {}, head.name), ways(head, most), h("span", { class: "value" }, number(all(head), 3))),
        h(
          "p",
          { class: "near" },
          `value ${share(head.value, all(head))} · query ${share(head.query, all(head))} · key ${share(head.key, all(head))}`,
        ),
        h(
          "ol",
          { class: "links" },
          ...head.drawn.map(([edge, effect]) =>
            row(
              graph.page.edges.up[edge],
              signed(graph, effect),
              Math.abs(effect) / strongest,
              number(signed(graph, effect), 3),
              edge,
              `→ ${plain(graph.names[graph.page.edges.down[edge]])}`,
            ),
          ),
        ),
      );
    }),
  ];
}

const share = (part: number, all: number): string => percent(all > 0 ? part / all : null);

function ways(head: Head, most: number): SVGElement {
  const width = (value: number) => (value / most) * 96;
  const [value, query] = [width(head.value), width(head.query)];
  const bar = (x: number, w: number, way: string) => svg("rect", { class: way, x, y: 0, width: Math.max(0, w), height: 6 });
  return svg(
    "svg",
    { class: "ways", width: 96, height: 6, "aria-hidden": "true" },
    bar(0, value, "by-value"),
    bar(value, query, "by-query"),
    bar(value + query, width(head.key), "by-key"),
  );
}

/** Scores that were split into pairs of features. */
export function scoresOf(graph: Graph, pin: (node: number) => void): HTMLElement[] {
  return graph.page.scores.map(score => scoreOf(graph, score, pin));
}

function scoreOf(graph: Graph, score: Score, pin: (node: number) => void): HTMLElement {
  const token = (position: number) =>
    h("span", {}, h("span", { class: "token" }, visible(graph.page.run.tokens[position] ?? "")), ` ${position}`);
  const end = (label: string, node: number) => {
    if (node < 0) return h("span", {}, plain(label));
    const button = h("button", { type: "button", class: "end" }, plain(label));
    button.addEventListener("click", () => pin(node));
    return button;
  };
  const most = Math.max(...score.pairs.map(p => Math.abs(p.score)), 1e-30);
  return h(
    "details",
    { class: "attention" },
    h(
      "summary",
      {},
      h("b", {}, score.head),
      h("span", { class: "pairing" }, token(score.query), " → ", token(score.key)),
      h("span", { class: "value" }, percent(score.pattern)),
    ),
    h("p", { class: "near" }, `score ${number(score.score)} of ${count(score.of, "pair")}, query's part × key's part:`),
    h(
      "ol",
      { class: "pairs" },
      ...score.pairs.map(p =>
        h(
          "li",
          {},
          h("span", { class: "pairing" }, end(p.query, p.queryNode), " × ", end(p.key, p.keyNode)),
          meter(p.score, most),
          h("span", { class: "value" }, number(p.score, 3)),
        ),
      ),
    ),
  );
}

function meter(value: number, most: number): SVGElement {
  const width = Math.max(1, Math.round((Math.abs(value) / most) * 48));
  return svg(
    "svg",
    { class: `meter ${signClass(value)}`, width: 48, height: 6, "aria-hidden": "true" },
    svg("rect", { x: 48 - width, y: 0, width, height: 6, rx: 2 }),
  );
}
