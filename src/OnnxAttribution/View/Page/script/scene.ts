import type { Graph, SignOf } from "./model";
import { plain, svg, visible } from "./text";

/** Strengths are drawn in this many steps, so that a class says it and the theme decides how it looks. */
const STEPS = 8;

export const step = (strength: number): number => Math.max(1, Math.ceil(strength * STEPS));
export const signClass = (value: number | null): string => (value === null || value === 0 ? "nil" : value > 0 ? "raises" : "lowers");

/** The drawing: everything is in the DOM from the start; what changes is which classes and layers are seen. */
export class Scene {
  /** All edges and nodes; dimmed as a whole where something is lit. */
  readonly base: SVGSVGElement;
  /** What is lit, drawn once more; a layer of its own, so that lighting up repaints nothing of the base. */
  readonly lit: SVGSVGElement;
  readonly edges: SVGPathElement[];
  readonly nodes: SVGGElement[];
  private shown = 0;

  constructor(private readonly graph: Graph) {
    const { width, height, columns, rows } = graph.page.layout;
    const view = `0 0 ${width} ${height}`;
    const bottom = rows[0]?.bottom ?? height;
    const bands = columns.map((c, i) =>
      svg("rect", { class: i % 2 === 0 ? "band" : "band odd", x: c.left - 9, y: 0, width: c.right - c.left + 18, height: bottom + 8 }),
    );
    const lines = rows.map(r =>
      svg("line", {
        class: "row",
        x1: (columns[0]?.left ?? 0) - 9,
        x2: (columns.at(-1)?.right ?? width) + 9,
        y1: r.bottom + 17,
        y2: r.bottom + 17,
      }),
    );
    this.edges = graph.page.edges.eff.map((_, e) => svg("path", { class: "edge off", "data-edge": e, d: this.curve(e) }));
    this.nodes = graph.page.nodes.map((_, i) => this.box(i));
    this.base = svg(
      "svg",
      { viewBox: view, class: "base", role: "group", "aria-label": "Nodes of the graph" },
      svg("defs", {}, hatch("nil"), hatch("raises"), hatch("lowers")),
      svg("g", { class: "ground" }, ...bands, ...lines),
      svg("g", { class: "edges" }, ...this.edges),
      svg("g", { class: "nodes" }, ...this.nodes),
    );
    this.lit = svg("svg", { viewBox: view, class: "lit", "aria-hidden": "true" });
  }

  /** Sets apart what the slider moved past, and nothing else. */
  show(count: number): void {
    const touched = new Set<number>();
    const { up, down } = this.graph.page.edges;
    for (let e = Math.min(count, this.shown); e < Math.max(count, this.shown); e++) {
      this.edges[e].classList.toggle("off", e >= count);
      touched.add(up[e]).add(down[e]);
    }
    this.shown = count;
    for (const i of touched) {
      const lone = !this.graph.hasShown(i, count);
      this.nodes[i].classList.toggle("lone", lone);
      // Tab passes by what no edge is shown at; arrows do not
      this.nodes[i].setAttribute("tabindex", lone ? "-1" : "0");
    }
  }

  colour(of: SignOf): void {
    this.edges.forEach((path, e) =>
      path.setAttribute(
        "class",
        `edge w${step(this.graph.edgeStrength(e))} ${signClass(this.graph.edgeSign(e, of))}${e >= this.shown ? " off" : ""}`,
      ),
    );
  }

  private curve(e: number): string {
    const { edges, nodes, layout } = this.graph.page;
    const [from, to] = [nodes[edges.up[e]], nodes[edges.down[e]]];
    const half = layout.boxHeight / 2;
    const [y1, y2] = from.y > to.y ? [from.y - half, to.y + half] : [from.y, to.y];
    const bend = Math.max(12, Math.abs(y1 - y2) * 0.45);
    const r = (v: number) => Math.round(v * 10) / 10;
    return `M${r(from.x)} ${r(y1)}C${r(from.x)} ${r(y1 - bend)} ${r(to.x)} ${r(y2 + bend)} ${r(to.x)} ${r(y2)}`;
  }

  private box(i: number): SVGGElement {
    const { boxWidth: w, boxHeight: hgt } = this.graph.page.layout;
    const node = this.graph.node(i);
    const strength = this.graph.nodeStrength(i);
    const value = this.graph.contribution(i);
    const isMetric = i === this.graph.metric;
    const sign = isMetric ? "nil" : signClass(value);
    const kind = isMetric ? " metric" : this.graph.isError(i) ? " error" : "";
    const bar = Math.round((w - 8) * strength * strength * 10) / 10;
    const size = isMetric ? 12 : 5 + 8 * strength;
    const label = plain(node.l);
    return svg(
      "g",
      {
        class: `node n${step(strength)} ${sign}${kind} lone`,
        "data-node": i,
        transform: `translate(${node.x} ${node.y})`,
        tabindex: -1,
        role: "button",
        "aria-pressed": "false",
        "aria-label": this.words(i),
      },
      svg("rect", { class: "box", x: -w / 2, y: -hgt / 2, width: w, height: hgt, rx: 5 }),
      bar >= 1
        ? svg("rect", { class: "bar", x: sign === "lowers" ? w / 2 - 4 - bar : 4 - w / 2, y: hgt / 2 - 3.5, width: bar, height: 2, rx: 1 })
        : null,
      svg(
        "text",
        { y: 3.2, "text-anchor": "middle", ...(label.length > 8 ? { textLength: w - 8, lengthAdjust: "spacingAndGlyphs" } : {}) },
        label,
      ),
      // what lowers is a diamond, so that the sign does not hang on colour alone
      sign === "lowers"
        ? svg("path", { class: "dot", d: `M0 ${-size * 1.15}L${size * 1.15} 0L0 ${size * 1.15}L${-size * 1.15} 0Z` })
        : svg("circle", { class: "dot", r: size }),
    );
  }

  private words(i: number): string {
    const node = this.graph.node(i);
    const token = this.graph.token(i);
    const effect = this.graph.contribution(i);
    const does =
      effect === null || effect === 0 ? "" : `, ${effect > 0 ? "raises" : "lowers"} the metric by ${Math.abs(effect).toPrecision(3)}`;
    if (i === this.graph.metric) return `${plain(this.graph.page.run.metric)}: the metric`;
    return `${plain(node.t)}${token === null ? "" : ` at ${visible(token)}, position ${node.p}`}${does}`;
  }
}

function hatch(sign: string): SVGPatternElement {
  return svg(
    "pattern",
    { id: `hatch-${sign}`, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svg("rect", { class: "hatch-ground", width: 6, height: 6 }),
    svg("rect", { class: `hatch-line ${sign}`, width: 2, height: 6 }),
  );
}
