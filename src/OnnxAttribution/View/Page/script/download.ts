import { metricsOfBoth } from "./compare";
import type { Graph } from "./model";
import type { Scene } from "./scene";
import type { State } from "./state";
import { movedTo } from "./panel";
import { edgesWords, number, plain, svg, visible } from "./text";

const PAINT = [
  "fill",
  "stroke",
  "stroke-width",
  "stroke-opacity",
  "stroke-dasharray",
  "stroke-linejoin",
  "vector-effect",
  "opacity",
  "font-family",
  "font-size",
  "font-weight",
];
const [MARGIN, TITLE, ROWS, TOKENS] = [16, 56, 84, 56];

/** Saves what is shown as one SVG without script or style sheet, which any program draws alike. */
export function download(graph: Graph, scene: Scene, state: State): void {
  const text = new XMLSerializer().serializeToString(figure(graph, scene, state));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`<?xml version="1.0" encoding="utf-8"?>\n${text}\n`], { type: "image/svg+xml" }));
  link.download = `${
    plain(graph.page.title)
      .replace(/[^\p{L}\p{N}]+/gu, "-")
      .replace(/^-+|-+$/g, "")
      .slice(0, 60) || "graph"
  }.svg`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function figure(graph: Graph, scene: Scene, state: State): SVGSVGElement {
  scene.settle();
  const { layout, run } = graph.page;
  const left = (layout.columns[0]?.left ?? 0) - 9;
  const bottom = (layout.rows[0]?.bottom ?? layout.height) + 8;
  const [width, height] = [ROWS + (layout.columns.at(-1)?.right ?? layout.width) + 9 - left + MARGIN, TITLE + bottom + TOKENS];
  const page = getComputedStyle(document.body);
  const ink = hex(page.color);
  const words = (x: number, y: number, size: number, anchor: string, text: string) =>
    svg("text", { x, y, "font-size": size, "text-anchor": anchor, fill: ink }, text);
  const of = state.sign === "metric" ? "the metric" : "the downstream feature";
  const away = graph.showsAblation ? "moved away: " : "";
  const signs = `${away}${state.safe ? "blue raises, orange (dashed) lowers" : "blue raises, red lowers"} ${of}`;
  const metric = `${plain(run.metric)}: ${number(run.clean)}${run.patch === null ? "" : `, patch ${number(run.patch)}`}`;
  const legend = [
    graph.page.comparison === null ? signs : "grey: in both, dashed with opposite signs; orange: only in A; green: only in B",
    `width: |effect|, the change of the metric when a node is ${movedTo(graph)}`,
    "hatched: error nodes",
    edgesWords(state.seen.edgeCount, graph.edgeCount),
  ].join("; ");
  return svg(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}`, "font-family": "system-ui, sans-serif" },
    svg("title", {}, plain(graph.page.title)),
    svg("defs", {}, ...[...scene.base.querySelectorAll("pattern")].map(p => painted(p))),
    svg("rect", { width, height, fill: hex(page.backgroundColor) }),
    words(MARGIN, 24, 16, "start", plain(graph.page.title)),
    words(
      MARGIN,
      42,
      11,
      "start",
      `${metricsOfBoth(graph) ?? metric} · ${legend}`,
    ),
    ...layout.rows.map(r => words(ROWS - 8, TITLE + (r.top + r.bottom) / 2 + 4, 11, "end", plain(r.label))),
    ...layout.columns.filter(c => !c.tick).map(c =>
      words(
        ROWS - left + (c.left + c.right) / 2,
        TITLE + bottom + 18,
        12,
        "middle",
        c.position === null ? plain(c.label) : visible(c.label),
      ),
    ),
    svg(
      "g",
      { transform: `translate(${ROWS - left} ${TITLE})` },
      ...[scene.base, scene.lit].map(layer => {
        const group = svg("g", { opacity: getComputedStyle(layer).opacity });
        for (const part of layer.children) if (part.localName !== "defs") append(group, part);
        return group;
      }),
    ),
  );
}

function append(to: Element, from: Element): void {
  const copy = painted(from);
  if (copy !== null) to.append(copy);
}

/** A copy with the paint it is shown in written into attributes; null for what is not shown. */
function painted(from: Element): Element | null {
  const style = getComputedStyle(from);
  // edges have strokes on the screen in their place
  if (style.display === "none" && !from.classList.contains("edges")) return null;
  const copy = from.cloneNode(false) as Element;
  for (const name of ["class", "tabindex", "role", "aria-pressed", "style"]) copy.removeAttribute(name);
  if (from.localName !== "g") {
    for (const name of PAINT) {
      const value = style.getPropertyValue(name).trim();
      if (
        value !== "" &&
        !(name.startsWith("stroke-") && style.stroke === "none") &&
        !(name.startsWith("font-") && from.localName !== "text")
      )
        copy.setAttribute(
          name,
          hex(value)
            .replace(/^(\d+(\.\d+)?)px$/, "$1")
            .replace(/"/g, ""),
        );
    }
  }
  for (const child of from.childNodes) {
    if (child instanceof Element) append(copy, child);
    else copy.append(child.cloneNode());
  }
  return copy;
}

/** Colours as every SVG program knows them: `color(srgb …)`, which color-mix makes, is too new for most. */
function hex(value: string): string {
  const mixed = /^color\(srgb ([\d.e-]+) ([\d.e-]+) ([\d.e-]+)(?: \/ [\d.]+)?\)$/.exec(value);
  const plainColour = /^rgba?\((\d+), (\d+), (\d+)(?:, [\d.]+)?\)$/.exec(value);
  const parts = mixed ? mixed.slice(1, 4).map(v => Number(v) * 255) : plainColour ? plainColour.slice(1, 4).map(Number) : null;
  return parts === null
    ? value
    : `#${parts
        .map(v =>
          Math.round(Math.max(0, Math.min(255, v)))
            .toString(16)
            .padStart(2, "0"),
        )
        .join("")}`;
}
