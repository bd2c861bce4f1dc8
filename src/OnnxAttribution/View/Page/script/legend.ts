import { legendOfBoth } from "./compare";
import type { Graph } from "./model";
import { movedTo } from "./panel";
import type { State } from "./state";
import { byId, h, svg } from "./text";

/** Says in words what colours, widths and hatching mean in this state. */
export function writeLegend(graph: Graph, state: State): void {
  if (graph.page.comparison !== null) {
    byId("legend").replaceChildren(...legendOfBoth());
    return;
  }
  const of = state.sign === "metric" ? "the metric" : "the downstream feature";
  const { ablation } = graph.page.run;
  const away = graph.showsAblation ? "moved away: " : "";
  byId("legend").replaceChildren(
    item(line("raises"), `${away}raises ${of}`),
    item(line("lowers"), `${away}lowers ${of}`),
    graph.signs[state.sign] < graph.edgeCount
      ? item(line("nil"), state.sign === "downstream" && !ablation ? "not known (into error nodes)" : "not known")
      : "",
    item(
      svg("svg", { width: 28, height: 12, "aria-hidden": "true" }, svg("path", { class: "wedge", d: "M1 6.5 27 1V11L1 5.5Z" })),
      "width: √|effect|",
    ),
    item(
      svg(
        "svg",
        { width: 26, height: 14, "aria-hidden": "true" },
        svg("rect", { class: "error-key", x: 1, y: 1, width: 24, height: 12, rx: 3 }),
      ),
      "error: what a dictionary missed",
    ),
    graph.page.nodes.some((_, i) => graph.isDense(i))
      ? item(
          svg("svg", { width: 12, height: 12, "aria-hidden": "true" }, svg("path", { class: "many", d: "M1 3h10M1 6h10M1 9h10" })),
          "dense: at over 10 % of tokens",
        )
      : "",
    h(
      "span",
      { class: "words" },
      graph.showsEffects
        ? `A node's colour and value: the change of the metric when the node is ${movedTo(graph)} (effect)`
        : `A node's colour and value: what its clean value does for the metric (contribution), the opposite of the ${
            ablation ? "" : foundBy(graph)
          }change when it is ${movedTo(graph)} (effect)`,
      ablation ? "; an edge's: the change of the downstream activation." : ".",
      graph.page.nodes.some(n => n.u) ? " ?: may be off by more than half, even in sign." : "",
    ),
  );
}

function foundBy(graph: Graph): string {
  const methods = graph.page.nodes.map(n => n.by).filter(by => by !== null);
  if (!methods.includes("exact")) return "estimated ";
  return methods.every(by => by === "exact") ? "" : "measured or estimated ";
}

function item(sign: SVGElement, words: string): HTMLElement {
  return h("span", { class: "item" }, sign, words);
}

const line = (sign: string): SVGElement =>
  svg("svg", { width: 28, height: 12, "aria-hidden": "true" }, svg("path", { class: `beam direct w6 ${sign}`, d: "M1 6H27" }));
