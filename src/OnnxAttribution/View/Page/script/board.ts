import { HEIGHT, place, WIDTH, type Placed } from "./board-layout";
import type { Chosen } from "./chosen";
import type { Card, Known } from "./contract";
import type { Measured } from "./measured";
import type { Graph } from "./model";
import { signClass } from "./scene";
import { count, h, number, plain, running, svg, visible } from "./text";

/** More lines than this tell nobody anything; the strongest are drawn, and of these the strongest say their values. */
const [LINES, VALUES] = [600, 60];
const [CONTEXTS, TOKENS, MEMBERS] = [2, 5, 5];

/** A node, a group, or the metric. */
export interface Box {
  key: string;
  name: string | null;
  nodes: number[];
  row: number;
  x: number;
}

/** All edges from one box to another as one: `value` is their signed sum, null where none of them is known. */
interface Sum {
  from: number;
  to: number;
  value: Known;
  edges: number;
}

/** Chosen nodes and groups as large boxes, and between two boxes one edge: the sum of theirs. */
export class Board {
  readonly element = h("div", { class: "board", role: "group", "aria-label": "Pinned nodes and groups" });
  boxes: Box[] = [];

  constructor(
    private readonly graph: Graph,
    private readonly chosen: Chosen,
    private readonly measured: Measured,
  ) {}

  draw(selected: ReadonlySet<string>): void {
    this.boxes = this.makeBoxes();
    const rows = [...new Set(this.boxes.map(b => b.row))].sort((a, b) => b - a);
    const { boxes } = this;
    const lines = rows.map(row => [...boxes.keys()].filter(i => boxes[i].row === row).sort((i, j) => boxes[i].x - boxes[j].x));
    const sums = this.sums().slice(0, LINES);
    const placed = place(lines, sums);
    const world = h("div", { class: "boxes" }, this.lines(placed, sums), ...boxes.map((b, i) => this.box(b, placed.at(i), selected)));
    world.style.width = `${placed.width}px`;
    world.style.height = `${placed.height}px`;
    this.element.replaceChildren(world);
  }

  /** Σ of the effects of nodes; null where one is not known. */
  effect(nodes: number[]): Known {
    return nodes.reduce<Known>((sum, i) => {
      const { e } = this.graph.node(i);
      return sum === null || e === null ? null : sum + e;
    }, 0);
  }

  /** The signed sums of edges between the boxes. */
  sums(): Sum[] {
    const of = new Map<number, number>();
    this.boxes.forEach((b, at) => b.nodes.forEach(i => of.set(i, at)));
    const sums = new Map<number, Sum>();
    const { up, down } = this.graph.page.edges;
    up.forEach((i, e) => {
      const [from, to] = [of.get(i), of.get(down[e])];
      if (from === undefined || to === undefined || from === to) return;
      const key = from * this.boxes.length + to;
      const sum = sums.get(key) ?? { from, to, value: null, edges: 0 };
      const value = this.graph.edgeValue(e);
      sums.set(key, { ...sum, value: value === null ? sum.value : (sum.value ?? 0) + value, edges: sum.edges + 1 });
    });
    return [...sums.values()].sort((a, b) => Math.abs(b.value ?? 0) - Math.abs(a.value ?? 0));
  }

  private makeBoxes(): Box[] {
    const { pins, groups } = this.chosen.now;
    const grouped = new Set(groups.flatMap(g => g.nodes));
    const mean = (nodes: number[]) => nodes.reduce((sum, i) => sum + this.graph.node(i).x, 0) / nodes.length;
    const box = (key: string, name: string | null, nodes: number[]): Box => ({
      key,
      name,
      nodes,
      // where the last of its nodes is: what it drives lies above
      row: Math.max(...nodes.map(i => (i === this.graph.metric ? Infinity : this.graph.node(i).s))),
      x: mean(nodes),
    });
    return [
      ...groups.map(g => box(`g:${g.name}`, g.name, g.nodes)),
      ...pins.filter(i => !grouped.has(i)).map(i => box(`n:${i}`, null, [i])),
      box("metric", null, [this.graph.metric]),
    ];
  }

  private lines(placed: Placed, sums: Sum[]): SVGElement {
    const most = Math.max(Math.abs(sums[0]?.value ?? 0), 1e-30);
    const drawn = sums.map((sum, i) => {
      const { path, middle } = placed.path(i);
      const strength = Math.sqrt(Math.abs(sum.value ?? 0) / most);
      const words = `${this.title(sum.from)} → ${this.title(sum.to)}: ${number(sum.value)}`;
      const line = svg("path", {
        class: `sum ${signClass(sum.value)}`,
        d: path,
        "stroke-width": (1 + 6 * strength).toFixed(2),
        "data-from": this.boxes[sum.from].key,
        "data-to": this.boxes[sum.to].key,
      });
      line.append(svg("title", {}, sum.edges > 1 ? `${words}, the sum of ${count(sum.edges, "edge")}` : words));
      return { line, value: sum.value, middle };
    });
    // the strongest lie on top
    drawn.reverse();
    return svg(
      "svg",
      {
        class: "sums",
        width: placed.width,
        height: placed.height,
        role: "img",
        "aria-label": `${count(sums.length, "edge")} between boxes`,
      },
      ...drawn.map(d => d.line),
      ...drawn
        .slice(-VALUES)
        .map(({ value, middle: [x, y] }) => svg("text", { class: "sum-value", x, y: y + 4, "text-anchor": "middle" }, number(value, 3))),
    );
  }

  private box(box: Box, [x, y]: [number, number], selected: ReadonlySet<string>): HTMLElement {
    const isMetric = box.key === "metric";
    const effect = this.effect(box.nodes);
    const does = effect === null ? null : this.graph.showsEffects ? effect : -effect;
    const element = h(
      "div",
      {
        class: `sg-box ${isMetric ? "output" : signClass(does)}${box.name === null ? "" : " group"}${this.isError(box) ? " error" : ""}`,
        "data-box": box.key,
        tabindex: 0,
        role: isMetric ? "img" : "button",
        "aria-pressed": isMetric ? null : String(selected.has(box.key)),
        "aria-label": this.title(this.boxes.indexOf(box)) + this.says(box, effect),
      },
      ...(isMetric ? this.metric() : box.name === null ? this.node(box.nodes[0]) : this.group(box)),
    );
    element.style.transform = `translate(${x}px, ${y}px)`;
    element.style.width = `${WIDTH}px`;
    element.style.height = `${HEIGHT}px`;
    return element;
  }

  private says(box: Box, effect: Known): string {
    return effect === null || box.key === "metric" ? "" : `, ${box.nodes.length > 1 ? "sum of effects" : "effect"} ${number(effect)}`;
  }

  private isError(box: Box): boolean {
    return box.nodes.every(i => this.graph.isError(i));
  }

  private title(at: number): string {
    const box = this.boxes[at];
    return box.key === "metric" ? plain(this.graph.page.run.metric) : box.name === null ? this.called(box.nodes[0]) : plain(box.name);
  }

  private called(i: number): string {
    const label = this.label(i);
    return label === null ? this.chosen.spelling.nodes[i] : `${this.chosen.spelling.nodes[i]} ${label}`;
  }

  /** The reader's own label before the bundle's. */
  label(i: number): string | null {
    const label = this.chosen.labelOf(i) ?? this.graph.feature(i)?.label ?? null;
    return label === null ? null : plain(label);
  }

  private metric(): HTMLElement[] {
    const { run } = this.graph.page;
    return [h("b", { class: "sg-name" }, plain(run.metric)), h("p", { class: "sg-figures" }, figure("clean", number(run.clean)))];
  }

  private node(i: number): HTMLElement[] {
    const [node, token, label, card] = [this.graph.node(i), this.graph.token(i), this.label(i), this.graph.feature(i)?.card ?? null];
    return [
      h(
        "p",
        { class: "sg-name" },
        h("b", {}, this.chosen.spelling.nodes[i]),
        token === null ? null : h("span", { class: "token" }, visible(token)),
      ),
      label === null ? null : h("p", { class: "sg-label" }, label),
      ...(card === null ? [] : this.contexts(card)),
      ...this.tokens(i),
      h(
        "p",
        { class: "sg-figures" },
        figure("effect", number(node.e) + (node.u ? " ?" : "")),
        node.x_e === null ? null : figure("exact", number(node.x_e)),
        this.together([i]),
      ),
    ].filter(e => e !== null);
  }

  private group(box: Box): HTMLElement[] {
    const strongest = [...box.nodes].sort((a, b) => Math.abs(this.graph.node(b).e ?? 0) - Math.abs(this.graph.node(a).e ?? 0));
    return [
      h("p", { class: "sg-name" }, h("b", {}, plain(box.name ?? "")), h("span", { class: "sg-count" }, count(box.nodes.length, "node"))),
      h(
        "ul",
        { class: "sg-members" },
        ...strongest
          .slice(0, strongest.length > MEMBERS ? MEMBERS - 1 : MEMBERS)
          .map(i => h("li", {}, this.called(i), " ", h("span", { class: "value" }, number(this.graph.node(i).e, 3)))),
        strongest.length > MEMBERS ? h("li", { class: "rest" }, `and ${strongest.length - MEMBERS + 1} more`) : null,
      ),
      h("p", { class: "sg-figures" }, figure("Σ effects", number(this.effect(box.nodes))), this.together(box.nodes)),
    ];
  }

  private together(nodes: number[]): HTMLElement | null {
    const measured = this.measured.of(nodes);
    return measured === null ? null : figure("measured", number(measured), "measured");
  }

  private contexts(card: Card): HTMLElement[] {
    const text = (s: number) => this.graph.page.strings[s] ?? "";
    return card.ctx
      .filter(c => c.q === 0)
      .slice(0, CONTEXTS)
      .map(c => {
        const at = new Map(c.a);
        // the peak stands in view: what is before it is cut first
        const from = Math.max(0, c.peak - 4);
        return h(
          "p",
          { class: "sg-context" },
          from > 0 ? "…" : "",
          ...c.t.slice(from).map((s, o) => {
            const heat = (at.get(from + o) ?? 0) / Math.max(card.max, 1e-30);
            const span = h("span", heat > 0 ? { class: "heat" } : {}, running(text(s)));
            if (heat > 0) span.style.setProperty("--heat", Math.min(1, heat).toFixed(3));
            return span;
          }),
        );
      });
  }

  private tokens(i: number): HTMLElement[] {
    const { card = null, tokens = null } = this.graph.feature(i) ?? {};
    const line = (sign: string, mark: string, what: string, strings: number[]) =>
      strings.length === 0
        ? []
        : [
            h(
              "p",
              { class: `sg-tokens ${sign}`, title: what },
              h("i", { "aria-label": what }, mark),
              ...strings.slice(0, TOKENS).map(s => h("span", { class: "token" }, visible(this.graph.page.strings[s] ?? ""))),
            ),
          ];
    // a text says them with their logits, the weights alone in their order
    const named = (pairs: [number, number][] | undefined, otherwise: number[] | undefined) =>
      pairs !== undefined && pairs.length > 0 ? pairs.map(p => p[0]) : (otherwise ?? []);
    return [
      ...line("raises", "+", "promotes", named(card?.up, tokens?.up)),
      ...line("lowers", "−", "suppresses", named(card?.down, tokens?.down)),
    ];
  }
}

function figure(name: string, value: string, kind: string | null = null): HTMLElement {
  return h("span", { class: kind }, h("small", {}, `${name} `), h("b", {}, value));
}
