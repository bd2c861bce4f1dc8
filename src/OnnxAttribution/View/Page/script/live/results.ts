import type { Chosen } from "../chosen";
import type { Graph } from "../model";
import type { Store } from "../state";
import { h, number, percent, plain, signed, visible } from "../text";
import type { LiveData } from "./contract";
import type { Edits, Outcome } from "./engine";
import { logprobs, strongest } from "./metric";

const TOP = 10;
const SHOWN = 100;

/** The page that it is of. */
export interface Host {
  graph: Graph;
  store: Store;
  chosen: Chosen;
  choose(node: number): void;
  word(node: number): string;
}

/** The model on a prompt, without edits and with them. */
export interface Run {
  clean: Outcome;
  now: Outcome;
  edits: Edits;
  position: number;
}

/** What edits do: to the next token, and to every other drawn feature. */
export class Results {
  readonly sections: HTMLElement[];
  private readonly next = h("tbody");
  private readonly nodes = h("tbody");
  private readonly more = h("button", { type: "button" }, "Show more");
  private readonly graph: Graph;
  private shown = SHOWN;
  private last: { run: Run; tokens: number[] } | null = null;

  constructor(
    private readonly live: LiveData,
    private readonly host: Host,
  ) {
    this.graph = host.graph;
    this.more.addEventListener("click", () => {
      this.shown += SHOWN;
      if (this.last !== null) this.drawChanges(this.last.run, this.last.tokens);
    });
    const head = (...names: string[]): HTMLElement =>
      h("thead", {}, h("tr", {}, ...names.map(n => h("th", { scope: "col" }, n))));
    this.sections = [
      h(
        "section",
        { "aria-label": "Next token" },
        h("h3", {}, "Next token"),
        h("table", { class: "next" }, head("token", "before", "now", "Δ logit"), this.next),
      ),
      h(
        "section",
        { "aria-label": "Effects on other nodes" },
        h("h3", {}, "What changes, exactly"),
        h("table", { class: "changes" }, head("node", "before", "now", "change"), this.nodes),
        this.more,
      ),
    ];
  }

  token(token: number): string {
    return visible(this.live.vocabulary[token] ?? `[${token}]`);
  }

  /** A node's column among those that can be edited; −1: it cannot be. */
  column(node: number): number {
    const f = this.graph.node(node).f;
    return f < 0 ? -1 : this.live.features[f];
  }

  draw(run: Run, tokens: number[]): void {
    this.last = { run, tokens };
    this.next.replaceChildren(...this.nextRows(run.clean, run.now));
    this.drawChanges(run, tokens);
  }

  private nextRows(clean: Outcome, now: Outcome): HTMLElement[] {
    const [was, is] = [logprobs(clean.logits), logprobs(now.logits)];
    if (is.some(x => Number.isNaN(x))) return [];
    const further = [this.live.target, this.live.foil, strongest(was, 1)[0]].filter((t): t is number => t !== null);
    return [...new Set([...strongest(is, TOP), ...further])].map(t =>
      h(
        "tr",
        { class: t === this.live.target ? "target" : null },
        h("td", {}, h("span", { class: "token" }, this.token(t))),
        h("td", {}, percent(Math.exp(was[t]))),
        h("td", {}, percent(Math.exp(is[t]))),
        h("td", {}, signed(now.logits[t] - clean.logits[t], 3)),
      ),
    );
  }

  private drawChanges({ clean, now, edits }: Run, tokens: number[]): void {
    const changes = this.graph.page.nodes
      .map((n, i) => ({ i, n, column: this.column(i) }))
      .filter(({ n, column }) => column >= 0 && n.p < tokens.length)
      .map(({ i, n, column }) => {
        // of one summed over positions, all of the prompt's
        const at = (n.p >= 0 ? [n.p] : tokens.map((_, t) => t)).map(t => t * this.live.columns + column);
        const was = at.reduce((sum, k) => sum + clean.activations[k], 0);
        const is = at.reduce((sum, k) => sum + edits.scale[k] * now.activations[k] + edits.offset[k], 0);
        return { i, was, is, change: is - was, own: at.some(k => edits.changes(k)) };
      })
      .sort((a, b) => Math.abs(b.change) - Math.abs(a.change));
    this.more.hidden = changes.length <= this.shown;
    this.nodes.replaceChildren(
      ...changes.slice(0, this.shown).map(({ i, was, is, change, own }) => {
        const go = h("button", { type: "button", class: "node" }, plain(this.graph.names[i]));
        go.addEventListener("click", () => this.host.choose(i));
        return h(
          "tr",
          { class: own ? "edited" : null },
          h("td", {}, go, h("span", { class: "word" }, plain(this.host.word(i)))),
          h("td", {}, number(was)),
          h("td", {}, number(is)),
          h("td", { class: change === 0 ? "value" : change > 0 ? "raises value" : "lowers value" }, change === 0 ? "0" : signed(change)),
        );
      }),
    );
  }
}
