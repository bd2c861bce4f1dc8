import type { Graph } from "./model";
import { movedTo } from "./panel";
import type { State } from "./state";
import { byId, h, svg } from "./text";

/** Says in words what colours, widths and hatching mean in this state. */
export function writeLegend(graph: Graph, state: State): void {
  const of = state.sign === "metric" ? "the metric" : "the downstream feature";
  const { ablation } = graph.page.run;
  byId("legend").replaceChildren(
    item(line("raises"), `raises ${of}`),
    item(line("lowers"), `lowers ${of}`),
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
    h(
      "span",
      { class: "words" },
      "A node's colour: what its clean value does for the metric. Effect: ",
      `the ${ablation ? "" : "estimated "}change of the metric when the node is ${movedTo(graph)}`,
      ablation ? "; an edge's: the change of the downstream activation." : ", so what raises the metric has an effect below zero.",
    ),
  );
}

function item(sign: SVGElement, words: string): HTMLElement {
  return h("span", { class: "item" }, sign, words);
}

const line = (sign: string): SVGElement =>
  svg("svg", { width: 28, height: 12, "aria-hidden": "true" }, svg("path", { class: `beam direct w6 ${sign}`, d: "M1 6H27" }));
