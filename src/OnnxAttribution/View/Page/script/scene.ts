import { effectsInWords, metricsOfBoth } from "./compare";
import type { NodeData } from "./contract";
import type { Graph, SignOf } from "./model";
import { wordOf } from "./names";
import type { Seen } from "./seen";
import { plain, svg, visible } from "./text";

/** Strengths are drawn in this many steps, so that a class says it and the theme decides how it looks. */
const STEPS = 8;
/** So many paths are written in a frame, so many nodes become boxes or dots, and so many are shown or hidden. */
const [PATHS, DRESSED, SHOWN] = [1_000, 100, 700];
/** Of more nodes than this those far from the view stay dots, which nobody sees: a box has seven parts, which are styled and laid out at
 * every scale. So much of the view counts as near at each of its sides. */
const [FEW, MARGIN] = [500, 0.35];

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
  /** Names beside dots, which are placed anew at every scale. */
  readonly tags = svg("g", { class: "tags" });
  private readonly bands: SVGRectElement[];
  private readonly lines: SVGLineElement[];
  private drawn: Seen | null = null;
  /** Paths from here on do not follow yet. */
  private behind: number;
  private readonly edgeGroup: SVGGElement;
  private readonly isNear: Uint8Array;
  private readonly shallBeNear: Uint8Array;
  /** Of each node whether it is shown, and joined, by now. */
  private readonly isShown: Uint8Array;
  private readonly isJoined: Uint8Array;
  private dressing = 0;
  private showing = 0;
  private weight = 1;

  constructor(private readonly graph: Graph) {
    const { height, columns, rows } = graph.page.layout;
    const bottom = rows[0]?.bottom ?? height;
    this.bands = columns.map(() => svg("rect", { y: 0, height: bottom + 8 }));
    this.lines = rows.map(r => svg("line", { class: "row", y1: r.bottom + 17, y2: r.bottom + 17 }));
    this.edges = graph.page.edges.eff.map((_, e) => svg("path", { class: "edge off", "data-edge": e, d: this.curve(e) }));
    this.behind = this.edges.length;
    this.isNear = new Uint8Array(graph.nodeCount);
    this.shallBeNear = new Uint8Array(graph.nodeCount);
    this.isShown = new Uint8Array(graph.nodeCount).fill(1);
    this.isJoined = new Uint8Array(graph.nodeCount);
    this.edgeGroup = svg("g", { class: "edges" }, ...this.edges);
    this.nodes = graph.page.nodes.map((_, i) => this.node(i));
    this.base = svg(
      "svg",
      { class: "base", role: "group", "aria-label": "Nodes of the graph" },
      svg("defs", {}, hatch("nil"), hatch("raises"), hatch("lowers")),
      svg("g", { class: "ground" }, ...this.bands, ...this.lines),
      this.edgeGroup,
      svg("g", { class: "nodes" }, ...this.nodes),
      this.tags,
    );
    this.lit = svg("svg", { class: "lit", "aria-hidden": "true" });
    this.placeGround();
  }

  /** Draws everything where the layout has it by now. Paths of edges, which strokes stand for on a screen, follow some a frame. */
  place(): void {
    this.placeGround();
    this.graph.page.nodes.forEach(({ x, y }, i) => {
      const to = `translate(${x} ${y})`;
      if (this.nodes[i].getAttribute("transform") !== to) this.nodes[i].setAttribute("transform", to);
    });
    const isAtIt = this.behind < this.edges.length;
    this.behind = 0;
    if (!isAtIt) requestAnimationFrame(() => this.followOn());
  }

  /** Lets all follow at once, for what reads it. */
  settle(): void {
    this.follow(Infinity);
    this.edgeGroup.style.setProperty("--weight", String(this.weight));
    if (this.drawn !== null) this.showNodes(this.drawn, Infinity);
    if (!this.base.classList.contains("dots")) this.shallBeNear.fill(1);
    this.dressSome(Infinity);
  }

  private follow(most: number): void {
    for (let left = most; this.behind < this.edges.length && left > 0; left--, this.behind++)
      this.edges[this.behind].setAttribute("d", this.curve(this.behind));
  }

  /** Widths of lines and sizes of names at a scale. They are said where they are used, or all nodes, and ten thousand paths that nobody
   * sees, would be styled anew. */
  weigh(weight: number, k: number): void {
    this.weight = weight;
    for (const layer of [this.tags, this.lit]) {
      layer.style.setProperty("--weight", String(weight));
      layer.style.setProperty("--label", (1 / k).toFixed(3));
    }
  }

  /** Makes nodes boxes or dots, those in view first, some a frame.
   * @param view What is in view, in the graph's units: left, top, right, bottom. */
  dress(areDots: boolean, view: [number, number, number, number]): void {
    const [left, top, right, bottom] = view;
    const [w, h] = [(right - left) * MARGIN, (bottom - top) * MARGIN];
    const all = this.graph.nodeCount <= FEW;
    this.graph.page.nodes.forEach(({ x, y }, i) => {
      const near = all || (x >= left - w && x <= right + w && y >= top - h && y <= bottom + h);
      this.shallBeNear[i] = Number(!areDots && near);
    });
    cancelAnimationFrame(this.dressing);
    this.dressSome(all ? Infinity : DRESSED, ({ x, y }) => x >= left && x <= right && y >= top && y <= bottom);
  }

  private dressSome(most: number, first: (node: NodeData) => boolean = () => false): void {
    const { nodes } = this.graph.page;
    const other = [...nodes.keys()].filter(i => this.isNear[i] !== this.shallBeNear[i]);
    if (other.length === 0) return;
    const inView = other.filter(i => first(nodes[i]));
    const now = (inView.length >= most ? inView : [...inView, ...other.filter(i => !first(nodes[i]))]).slice(0, most);
    for (const i of now) this.dressOne(i);
    if (now.length < other.length) this.dressing = requestAnimationFrame(() => this.dressSome(most, first));
  }

  private dressOne(i: number): void {
    const near = this.shallBeNear[i];
    this.isNear[i] = near;
    this.nodes[i].classList.toggle("near", near === 1);
    if (this.graph.nodeCount <= FEW) return;
    if (near === 1) this.nodes[i].prepend(...this.parts(i));
    else this.nodes[i].replaceChildren(this.nodes[i].lastElementChild ?? "");
  }

  /** A node drawn once more, as it shall be. */
  copy(i: number): SVGGElement {
    const copy = this.nodes[i].cloneNode(true) as SVGGElement;
    const near = this.shallBeNear[i] === 1;
    copy.classList.toggle("near", near);
    if (near && copy.childElementCount === 1) copy.prepend(...this.parts(i));
    return copy;
  }

  private followOn(): void {
    this.follow(PATHS);
    if (this.behind < this.edges.length) requestAnimationFrame(() => this.followOn());
  }

  private placeGround(): void {
    const { width, height, columns } = this.graph.page.layout;
    for (const layer of [this.base, this.lit]) layer.setAttribute("viewBox", `0 0 ${width} ${height}`);
    columns.forEach((c, i) => {
      this.bands[i].setAttribute("class", i % 2 === 0 || c.tick ? "band" : "band odd");
      this.bands[i].setAttribute("x", String(c.left - 9));
      this.bands[i].setAttribute("width", String(c.right - c.left + 18));
    });
    for (const line of this.lines) {
      line.setAttribute("x1", String((columns[0]?.left ?? 0) - 9));
      line.setAttribute("x2", String((columns.at(-1)?.right ?? width) + 9));
    }
  }

  /** Shows what a state shows; of the document nothing is touched but what differs from before. */
  show(seen: Seen): void {
    const before = this.drawn;
    this.edges.forEach((path, e) => {
      if ((before?.edges[e] ?? 0) !== seen.edges[e]) path.classList.toggle("off", seen.edges[e] === 0);
    });
    this.drawn = seen;
    cancelAnimationFrame(this.showing);
    this.showNodes(seen, this.graph.nodeCount <= FEW ? Infinity : SHOWN);
  }

  private showNodes(seen: Seen, most: number): void {
    let changed = 0;
    for (let i = 0; i < this.nodes.length; i++) {
      const [shown, joined] = [seen.nodes[i], seen.joined[i]];
      if (this.isShown[i] === shown && this.isJoined[i] === joined) continue;
      if (changed++ === most) {
        this.showing = requestAnimationFrame(() => this.showNodes(seen, most));
        return;
      }
      const node = this.nodes[i];
      if (this.isShown[i] !== shown) node.classList.toggle("gone", shown === 0);
      if (this.isJoined[i] !== joined) {
        node.classList.toggle("lone", joined === 0);
        // Tab passes by what no edge is shown at; arrows do not
        node.setAttribute("tabindex", joined === 0 ? "-1" : "0");
      }
      [this.isShown[i], this.isJoined[i]] = [shown, joined];
    }
  }

  colour(of: SignOf): void {
    this.edges.forEach((path, e) =>
      path.setAttribute(
        "class",
        `edge w${step(this.graph.edgeStrength(e))} ${signClass(this.graph.edgeSign(e, of))}${this.drawn?.edges[e] === 1 ? "" : " off"}`,
      ),
    );
  }

  /** An edge's path. */
  curve(e: number): string {
    const r = (v: number) => Math.round(v * 10) / 10;
    const [x1, y1, ...rest] = this.bend(e).map(r);
    return `M${x1} ${y1}C${rest.join(" ")}`;
  }

  /** The curve of an edge: its beginning, two points that bend it, its end; x and y of each. */
  bend(e: number): number[] {
    const { edges, nodes, layout } = this.graph.page;
    const [from, to] = [nodes[edges.up[e]], nodes[edges.down[e]]];
    const half = layout.boxHeight / 2;
    const [y1, y2] = from.y > to.y ? [from.y - half, to.y + half] : [from.y, to.y];
    const bend = Math.max(12, Math.abs(y1 - y2) * 0.45);
    return [from.x, y1, from.x, y1 - bend, to.x, y2 + bend, to.x, y2];
  }

  /** How far a node's dot reaches from its middle. */
  reach(i: number): number {
    return i === this.graph.metric ? 12 : 5 + 8 * this.graph.nodeStrength(i);
  }

  private node(i: number): SVGGElement {
    const node = this.graph.node(i);
    const isMetric = i === this.graph.metric;
    const kind = isMetric ? " metric" : this.graph.isError(i) ? " error" : "";
    return svg(
      "g",
      {
        class: `node n${step(this.graph.nodeStrength(i))} ${this.sign(i)}${kind}${this.graph.isDense(i) ? " dense" : ""} lone`,
        "data-node": i,
        transform: `translate(${node.x} ${node.y})`,
        tabindex: -1,
        role: "button",
        "aria-pressed": "false",
        "aria-label": this.words(i),
      },
      ...(this.graph.nodeCount <= FEW ? this.parts(i) : []),
      this.dot(i),
    );
  }

  private sign(i: number): string {
    return i === this.graph.metric ? "nil" : signClass(this.graph.contribution(i));
  }

  private dot(i: number): SVGElement {
    const size = this.reach(i);
    // what lowers is a diamond, so that the sign does not hang on colour alone
    return this.sign(i) === "lowers"
      ? svg("path", { class: "dot", d: `M0 ${-size * 1.15}L${size * 1.15} 0L0 ${size * 1.15}L${-size * 1.15} 0Z` })
      : svg("circle", { class: "dot", r: size });
  }

  /** What a box is made of. */
  private parts(i: number): SVGElement[] {
    const { boxWidth: w, boxHeight: hgt } = this.graph.page.layout;
    const [label, word] = [plain(this.graph.node(i).l), plain(this.word(i))];
    const dense = this.graph.isDense(i);
    const bar = Math.round((w - 8) * this.graph.nodeStrength(i) ** 2 * 10) / 10;
    const left = this.sign(i) === "lowers" ? w / 2 - 4 - bar : 4 - w / 2;
    return [
      svg("rect", { class: "box", x: -w / 2, y: -hgt / 2, width: w, height: hgt, rx: 5 }),
      dense ? svg("path", { class: "many", d: `M${w / 2 - 12} ${4 - hgt / 2}h8m-8 2.5h8m-8 2.5h8` }) : null,
      bar >= 1 ? svg("rect", { class: "bar", x: left, y: hgt / 2 - 3.5, width: bar, height: 2, rx: 1 }) : null,
      svg(
        "text",
        { class: "number", y: word === "" ? 3.2 : -2.5, "text-anchor": "middle", ...fitted(label, w - (dense ? 28 : 8), 6.1) },
        label,
      ),
      word === "" ? null : svg("text", { class: "word", y: 9, "text-anchor": "middle" }, cut(word, (w - 8) / 5.6)),
    ].filter(part => part !== null);
  }

  /** Writes a node's word anew. */
  rename(i: number): void {
    const isBox = this.nodes[i].childElementCount > 1;
    this.nodes[i].replaceChildren(...(isBox ? this.parts(i) : []), this.dot(i));
    this.nodes[i].setAttribute("aria-label", this.words(i));
  }

  /** What stands beside a node's number; of the metric what is explained. */
  word(i: number): string {
    const { target, foil } = this.graph.page.run;
    const runs = this.graph.page.comparison?.runs ?? [];
    if (i === this.graph.metric && runs.length > 0) return [...new Set(runs.map(run => visible(run.target ?? "")))].join("|");
    if (i === this.graph.metric) return target === null ? "" : visible(target) + (foil === null ? "" : ` − ${visible(foil)}`);
    const own = this.graph.own.get(this.graph.node(i).f);
    if (own !== undefined) return own;
    const feature = this.graph.feature(i);
    return wordOf(feature?.word ?? null, feature?.label !== null);
  }

  private words(i: number): string {
    const node = this.graph.node(i);
    const token = this.graph.token(i);
    const word = this.word(i);
    if (i === this.graph.metric) return `${metricsOfBoth(this.graph) ?? plain(this.graph.page.run.metric)}: the metric`;
    const dense = this.graph.isDense(i) ? ", dense" : "";
    const at = token === null ? "" : ` at ${visible(token)}, position ${node.p}`;
    return `${plain(node.l)}${word === "" ? "" : ` ${plain(word)}`}${dense}${at}${effectsInWords(this.graph, i) ?? this.does(i)}`;
  }

  /** What it does for the metric, or what moving it away does, in the legend's words. */
  private does(i: number): string {
    const value = this.graph.contribution(i);
    if (value === null || value === 0) return "";
    const moved = this.graph.showsAblation ? "moved away: " : "";
    return `, ${moved}${value > 0 ? "raises" : "lowers"} the metric by ${Math.abs(value).toPrecision(3)}`;
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

/** A text that is too long for its box is set narrower; letters are so wide on average. */
const fitted = (text: string, room: number, letter: number): Record<string, string | number> =>
  text.length * letter > room ? { textLength: room, lengthAdjust: "spacingAndGlyphs" } : {};

const cut = (text: string, most: number): string => {
  const letters = [...text];
  return letters.length <= most ? text : `${letters.slice(0, Math.max(1, Math.floor(most) - 1)).join("")}…`;
};
