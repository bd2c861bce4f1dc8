import { cardOf, marksOf, promptOf, tokensOf } from "./card";
import { bothEffects, captionOfBoth, factsOfBoth, metricsOfBoth, presenceOf } from "./compare";
import type { Known, Run } from "./contract";
import { headsOf, partsOf, scoresOf } from "./heads";
import { promptsOf, standsIn } from "./prompts";
import type { Graph } from "./model";
import { signClass } from "./scene";
import type { State } from "./state";
import { byId, h, number, plain, signed, svg, visible } from "./text";

const EDGES = 7;
const STRONGEST = 14;

export interface PanelActions {
  pin(node: number | null): void;
  pointAt(edge: number | null): void;
  pointAtNode(node: number | null): void;
}

/** What the run does to a node; of two that do not do the same, what each does. */
export function movedTo(graph: Graph): string {
  const { run, comparison } = graph.page;
  const ways = (comparison?.runs ?? [run]).map(movedIn);
  return new Set(ways).size === 1 ? ways[0] : ways.map((way, i) => `${way} in ${"AB"[i]}`).join(", ");
}

function movedIn({ ablation, coefficient, patched }: Pick<Run, "ablation" | "coefficient" | "patched">): string {
  return patched
    ? "moved to its patch value"
    : !ablation
      ? "moved to zero"
      : coefficient === 0
        ? "taken away"
        : `multiplied by ${number(coefficient)}`;
}

export class Panel {
  private readonly sheet = byId("sheet");

  constructor(
    private readonly graph: Graph,
    private readonly word: (node: number) => string,
    private readonly actions: PanelActions,
  ) {}

  show(node: number | null, state: State): void {
    this.sheet.replaceChildren(
      ...(node === null ? this.overview(state) : node === this.graph.metric ? this.metric(state) : this.details(node, state)),
    );
    this.sheet.scrollTop = 0;
    byId("handle-label").textContent = node === null ? "Strongest nodes" : plain(this.named(node));
  }

  private overview(state: State): HTMLElement[] {
    const { run, nodes } = this.graph.page;
    const caption = this.graph.showsEffects ? `effect when ${movedTo(this.graph)}` : "contribution";
    const most = Math.max(...nodes.map(n => Math.abs(n.e ?? 0)), 1e-30);
    const rows = this.graph
      .strongest(STRONGEST, i => state.seen.nodes[i] === 1)
      .map(i => this.row(i, this.graph.contribution(i), Math.abs(nodes[i].e ?? 0) / most, this.value(i), null));
    return [
      h(
        "p",
        { class: "lead" },
        "Point at a node to see what it is; click to pin it and light its paths. ",
        h("kbd", {}, "Tab"),
        " and arrows move, ",
        h("kbd", {}, "Enter"),
        " pins, ",
        h("kbd", {}, "Esc"),
        " clears, ",
        h("kbd", {}, "?"),
        " says all keys.",
      ),
      ...this.note(),
      h("h3", {}, "Strongest nodes", h("small", {}, captionOfBoth(this.graph) ?? caption)),
      h("ol", { class: "links" }, ...rows),
      ...promptsOf(run),
      ...headsOf(this.graph, (i, value, share, text, edge, note) => this.row(i, value, share, text, edge, note)),
      ...this.scores(),
      h(
        "p",
        { class: "foot" },
        run.model === "" ? "" : `model ${plain(run.model)} · `,
        `onnx-attribution ${plain(run.version.split("+")[0])}`,
      ),
    ];
  }

  private scores(): HTMLElement[] {
    const scores = scoresOf(this.graph, i => this.actions.pin(i));
    return scores.length === 0 ? [] : [h("h3", {}, "Why heads attend", h("small", {}, "attention from query to key")), ...scores];
  }

  private note(): HTMLElement[] {
    const note = this.graph.page.run.note;
    return note === null ? [] : [h("p", { class: "hint" }, plain(note))];
  }

  private metric(state: State): HTMLElement[] {
    const { run } = this.graph.page;
    return [
      this.head(this.graph.metric, state, "metric"),
      h("p", { class: "where" }, metricsOfBoth(this.graph) ?? plain(run.metric)),
      facts(
        factsOfBoth(this.graph, this.graph.metric) ?? [
          ["clean", number(run.clean)],
          ["patch", run.patch === null ? null : number(run.patch)],
        ],
      ),
      ...this.edges(this.graph.metric, state),
    ];
  }

  private details(i: number, state: State): HTMLElement[] {
    const node = this.graph.node(i);
    const feature = this.graph.feature(i);
    const site = this.graph.site(i);
    const token = this.graph.token(i);
    const error = this.graph.isError(i);
    const { patched, coefficient } = this.graph.page.run;
    return [
      this.head(i, state, plain(this.graph.names[i])),
      h(
        "p",
        { class: "where" },
        token === null
          ? node.p < 0
            ? `${this.graph.page.run.aggregated ? "all" : "other"} positions together`
            : `position ${node.p}`
          : h("span", {}, "at ", h("mark", { class: "token" }, visible(token)), ` position ${node.p}`),
        h("code", {}, plain(site?.name ?? "")),
      ),
      feature?.label ? h("p", { class: "lead label" }, plain(feature.label)) : null,
      this.graph.isDense(i) ? h("p", { class: "hint" }, "A dense feature: active at over 10 % of tokens.") : null,
      error
        ? h(
            "p",
            { class: "hint" },
            node.p < 0 && !this.graph.page.run.aggregated
              ? "What the dictionary missed of this site, x − x̂, at all positions that have no error node of their own, in one node: "
                + "its effect and its edges are the sums of theirs, its activation is the norm."
              : "An error node: what the dictionary missed of this site, x − x̂. Its activation is the norm.",
          )
        : this.graph.isToken(i)
          ? h(
              "p",
              { class: "hint" },
              node.p < 0
                ? "All tokens: their rows of the embedding, summed over positions as the norms are."
                : "A token: its row of the embedding, of which the activation is the norm.",
            )
          : null,
      facts(
        factsOfBoth(this.graph, i) ?? [
          [error || this.graph.isToken(i) ? "norm" : "activation", number(node.a)],
          ["patch", patched ? number(node.pa) : null],
          // what more of a node does is no contribution of what there is
          ["contribution", node.e === null || coefficient > 1 ? null : number(-node.e), signClass(this.graph.contribution(i))],
          ["effect", number(node.e)],
          [`exact${this.graph.inModel()}`, node.x_e === null ? null : number(node.x_e)],
          ["off by about", node.off === null || node.off === 0 ? null : number(node.off, 2)],
          ["found by", node.by],
          ["gradient", node.g === null ? null : number(node.g)],
          ["stands in", standsIn(node.n, this.graph.page.run)],
          ["separate circuit", this.graph.components > 1 && node.c > 0 ? String(node.c) : null],
        ],
      ),
      this.graph.page.comparison === null ? this.sentence(i) : null,
      ...(feature === null ? [] : promptOf(this.graph, i)),
      ...(feature?.tokens ? tokensOf(this.graph, feature.tokens) : []),
      ...(feature?.card ? cardOf(this.graph, feature.card, marksOf(this.graph, i)) : []),
      ...this.edges(i, state),
      ...(feature !== null && feature.card === null && !error && !this.graph.isToken(i) ? this.note() : []),
    ].filter(e => e !== null);
  }

  /** Number and word. */
  private named(i: number): string {
    const word = this.word(i);
    return word === "" ? this.graph.node(i).l : `${this.graph.node(i).l} ${word}`;
  }

  private value(i: number): string {
    return bothEffects(this.graph, i, null) ?? number(this.graph.contribution(i)) + (this.graph.node(i).u ? " ?" : "");
  }

  private head(i: number, state: State, label: string): HTMLElement {
    const site = this.graph.site(i);
    const feature = this.graph.feature(i);
    const pinned = state.pin === i;
    const pin = h("button", { type: "button", class: "pin", "aria-pressed": String(pinned) }, pinned ? "Unpin" : "Pin");
    pin.addEventListener("click", () => this.actions.pin(pinned ? null : i));
    const dictionary = site?.neuronpedia ?? "";
    const known = feature !== null && feature.feature >= 0 && /^[\w.-]+\/[\w.-]+$/.test(dictionary);
    return h(
      "div",
      { class: "head" },
      h("h2", {}, label),
      known
        ? h(
            "a",
            { href: `https://www.neuronpedia.org/${dictionary}/${feature.feature}`, target: "_blank", rel: "noopener noreferrer" },
            "Neuronpedia ↗",
          )
        : null,
      pin,
    );
  }

  private sentence(i: number): HTMLElement | null {
    const { e, x_e: exact } = this.graph.node(i);
    if (e === null || e === 0) return null;
    const { ablation, patched } = this.graph.page.run;
    const certain = ablation || this.graph.node(i).by === "exact";
    const moved = `${certain ? "" : "is estimated to "}${verb(e, certain)} by ${number(Math.abs(e), 3)}`;
    const words = `${capital(movedTo(this.graph))}, the metric ${moved}: ${patched ? "its clean value" : "it"} `;
    const does = this.graph.page.run.coefficient > 1 ? e : -e;
    return h(
      "p",
      { class: "sentence" },
      words,
      h("b", { class: signClass(does) }, does > 0 ? "raises" : "lowers"),
      " the metric.",
      this.graph.node(i).u ? " The estimate may be off by more than half, even in sign." : null,
      exact === null || exact === e
        ? null
        : ` Really done${this.graph.inModel()}, it changes by ${signed(exact, 3)}${exact * e < 0 ? ", the other way" : ""}.`,
    );
  }

  private edges(i: number, state: State): HTMLElement[] {
    const lists: [string, number[], number[]][] = [
      ["Strongest edges out", this.graph.outs[i], this.graph.page.edges.down],
      ["Strongest edges in", this.graph.ins[i], this.graph.page.edges.up],
    ];
    return lists.flatMap(([title, edges, end]) =>
      edges.length === 0
        ? []
        : [
            h("h3", {}, title, h("small", {}, edges.length > EDGES ? `${EDGES} of ${edges.length}` : "")),
            h(
              "ol",
              { class: "links" },
              ...edges
                .slice(0, EDGES)
                .map(e =>
                  this.row(
                    end[e],
                    this.graph.edgeSign(e, state.sign),
                    this.graph.edgeStrength(e) ** 2,
                    bothEffects(this.graph, end[e], e) ?? number(this.graph.edgeValue(e), 3),
                    e,
                  ),
                ),
            ),
          ],
    );
  }

  private row(i: number, value: Known, share: number, text: string, edge: number | null, note: string | null = null): HTMLElement {
    const node = this.graph.node(i);
    const token = this.graph.token(i);
    const width = Math.max(1, Math.round(share * 48));
    const jacobian = edge === null ? null : this.graph.page.edges.jac[edge];
    const link = h(
      "button",
      { type: "button", "data-to": i, title: jacobian === null ? null : `jacobian ${number(jacobian)}` },
      h("span", { class: "name", title: plain(this.named(i)) }, plain(node.l), " ", h("i", {}, plain(this.word(i)))),
      i === this.graph.metric || token === null ? h("span") : h("span", { class: "token" }, visible(token)),
      svg(
        "svg",
        { class: `meter ${signClass(value)}`, "data-in": presenceOf(this.graph, i, edge), width: 48, height: 6, "aria-hidden": "true" },
        svg("rect", { x: 48 - width, y: 0, width, height: 6, rx: 2 }),
      ),
      h("span", { class: "value" }, text),
    );
    link.addEventListener("click", () => this.actions.pin(i));
    link.addEventListener("pointerenter", () => (edge === null ? this.actions.pointAtNode(i) : this.actions.pointAt(edge)));
    link.addEventListener("pointerleave", () => (edge === null ? this.actions.pointAtNode(null) : this.actions.pointAt(null)));
    const inPrompts = edge === null ? null : standsIn(this.graph.page.edges.n[edge], this.graph.page.run);
    const parts = note ?? (edge === null ? null : (partsOf(this.graph, edge) ?? (inPrompts === null ? null : `in ${inPrompts}`)));
    return h("li", {}, link, parts === null ? null : h("p", { class: "parts" }, parts));
  }
}

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const verb = (e: number, past: boolean): string => (e < 0 ? (past ? "falls" : "fall") : past ? "rises" : "rise");

function facts(pairs: [name: string, value: string | null, sign?: string][]): HTMLElement {
  return h(
    "dl",
    { class: "facts" },
    ...pairs
      .filter(p => p[1] !== null)
      .map(([name, value, sign]) => h("div", {}, h("dt", {}, name), h("dd", { class: sign ?? null }, value))),
  );
}
