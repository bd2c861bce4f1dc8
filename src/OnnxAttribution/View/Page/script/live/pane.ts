import type { Graph } from "../model";
import type { Store } from "../state";
import { byId, count, h, number, percent, plain, signed, visible } from "../text";
import type { LiveData } from "./contract";
import { editRow, type Row } from "./edit-row";
import { Edits, Engine, type Edit, type Outcome } from "./engine";
import { logprobs, metricOf, strongest } from "./metric";
import { Prompts } from "./tokens";

const FAILED = "the model could not be run";
const TOP = 10;
const SHOWN = 100;

/** The model on a prompt, without edits and with them. */
interface Run {
  clean: Outcome;
  now: Outcome;
  edits: Edits;
  position: number;
}

/** Features that are edited, and what the model, run here, makes of it: next tokens, metric, all other features. */
export class Pane {
  private readonly prompts: Prompts;
  private readonly rows: Row[] = [];
  private tokens: number[];
  /** The model as it is, on a prompt. */
  private clean: { tokens: number[]; outcome: Outcome } | null = null;
  private again = false;
  private hints: (() => void)[] = [];
  private running = false;
  private shown = SHOWN;

  private readonly list = h("ol", { class: "edits" });
  private readonly add = h("button", { type: "button", class: "add" }, "Edit pinned");
  private readonly text = h("textarea", { rows: 2, "aria-label": "Prompt", spellcheck: "false" });
  private readonly fault = h("p", { class: "fault", role: "alert" });
  private readonly next = h("tbody");
  private readonly nodes = h("tbody");
  private readonly value = h("p", { class: "value" });
  private readonly cut = h("p", { id: "live-tokens" });
  private readonly took = h("p", { class: "took", role: "status" });
  private readonly more = h("button", { type: "button" }, "Show more");

  constructor(
    private readonly live: LiveData,
    private readonly graph: Graph,
    private readonly store: Store,
    private readonly choose: (node: number) => void,
    private readonly word: (node: number) => string,
    private readonly engine: Engine,
  ) {
    this.prompts = new Prompts(live);
    this.tokens = live.tokens;
    this.text.value = graph.page.run.prompt ?? "";
    this.text.disabled = !this.prompts.canEdit;
    if (live.note !== null) this.text.title = live.note;
    this.text.addEventListener("input", () => this.retype());
    this.add.addEventListener("click", () => this.addPinned());
    this.more.addEventListener("click", () => {
      this.shown += SHOWN;
      void this.compute();
    });
    byId("live").append(this.layout());
    store.onChange((state, changed) => changed.has("pin") && this.offer(state.pin));
    this.offer(store.state.pin);
    this.drawRows();
    void this.compute();
  }

  private layout(): HTMLElement {
    const reset = h("button", { type: "button", class: "reset" }, "Reset");
    reset.addEventListener("click", () => {
      this.rows.length = 0;
      this.text.value = this.graph.page.run.prompt ?? "";
      this.tokens = this.live.tokens;
      this.fault.textContent = "";
      this.drawRows();
      void this.compute();
    });
    const head = (...names: string[]): HTMLElement =>
      h("thead", {}, h("tr", {}, ...names.map(n => h("th", { scope: "col" }, n))));
    return h(
      "div",
      { class: "pane" },
      h(
        "section",
        { "aria-label": "Edits" },
        h("h3", {}, "Prompt"),
        this.text,
        this.cut,
        this.fault,
        h("h3", {}, "Edited features"),
        this.list,
        h("p", { class: "buttons" }, this.add, reset),
        this.value,
        this.took,
      ),
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
    );
  }

  private token(token: number): string {
    return visible(this.live.vocabulary[token] ?? `[${token}]`);
  }

  private column(node: number): number {
    const f = this.graph.node(node).f;
    return f < 0 ? -1 : this.live.features[f];
  }

  private offer(pin: number | null): void {
    const can = pin !== null && this.column(pin) >= 0;
    this.add.disabled = !can || this.rows.some(r => r.node === pin);
    this.add.textContent = can ? `Edit ${plain(this.graph.names[pin])}` : "Pin a feature to edit it";
  }

  private addPinned(): void {
    const pin = this.store.state.pin;
    if (pin === null || this.column(pin) < 0) return;
    this.rows.push({ node: pin, everywhere: this.graph.node(pin).p < 0, sets: false, value: 0 });
    this.drawRows();
    this.focus(this.rows.length - 1);
    void this.compute();
  }

  private focus(row: number): void {
    const at = Math.min(row, this.rows.length - 1);
    const input = this.list.children[at]?.querySelector<HTMLElement>("input[type='number']");
    (at < 0 || input === null || input === undefined ? this.text : input).focus({ preventScroll: true });
  }

  private drawRows(): void {
    this.hints = [];
    this.list.replaceChildren(...this.rows.map((row, i) => this.drawn(row, i)));
    if (this.rows.length === 0) this.list.append(h("li", { class: "none" }, "none: this is the model as it is"));
    this.offer(this.store.state.pin);
  }

  private drawn(row: Row, index: number): HTMLElement {
    const beyond = h("span", { class: "beyond" });
    const { p } = this.graph.node(row.node);
    this.hints.push(() => (beyond.textContent = !row.everywhere && p >= this.tokens.length ? `the prompt has no position ${p}` : ""));
    const line = editRow(row, plain(this.graph.names[row.node]), p >= 0, {
      choose: () => this.choose(row.node),
      change: to => {
        Object.assign(row, to);
        void this.compute();
      },
      remove: () => {
        this.rows.splice(index, 1);
        this.drawRows();
        this.focus(index);
        void this.compute();
      },
    });
    line.append(beyond);
    return line;
  }

  private retype(): void {
    const ids = this.prompts.of(this.text.value);
    this.fault.textContent = typeof ids === "string" ? ids : "";
    if (typeof ids === "string" || ids.join() === this.tokens.join()) return;
    this.tokens = ids.join() === this.live.tokens.join() ? this.live.tokens : ids;
    void this.compute();
  }

  private edits(): Edit[] {
    return this.rows.map(r => ({
      column: this.column(r.node),
      position: r.everywhere ? null : this.graph.node(r.node).p,
      scale: r.sets ? 0 : r.value,
      offset: r.sets ? r.value : 0,
    }));
  }

  /** One run at a time; what is asked meanwhile is asked once more behind it. */
  private async compute(): Promise<void> {
    this.again = true;
    if (this.running) return;
    this.running = true;
    try {
      while (this.again) {
        this.again = false;
        const { tokens } = this;
        // another prompt's metric is read behind its last token
        const position = tokens === this.live.tokens ? this.live.position : tokens.length - 1;
        const nothing = new Edits(tokens.length, this.live.columns, []);
        if (this.clean?.tokens !== tokens) this.clean = { tokens, outcome: await this.engine.run(tokens, nothing, position) };
        const clean = this.clean.outcome;
        const start = performance.now();
        const list = this.edits();
        const edits = new Edits(tokens.length, this.live.columns, list);
        const now = list.length === 0 ? clean : await this.engine.run(tokens, edits, position);
        // what was typed meanwhile is run next
        if (tokens === this.tokens) this.draw({ clean, now, edits, position }, performance.now() - start);
      }
    } catch (error) {
      this.fault.textContent = `${FAILED}: ${plain(String(error))}`;
    } finally {
      this.running = false;
    }
  }

  private draw(run: Run, milliseconds: number): void {
    const { clean, now, position } = run;
    if (this.fault.textContent?.startsWith(FAILED)) this.fault.textContent = "";
    const [before, after] = [metricOf(this.live, clean.logits, clean.logits), metricOf(this.live, now.logits, clean.logits)];
    this.value.replaceChildren(
      `${plain(this.graph.page.run.metric).replace(/ after position \d+$/, "")} after position ${position} `,
      h("b", { class: "before" }, number(before)),
      " → ",
      h("b", { class: "after" }, number(after)),
      ` (${signed(after - before)})${Number.isFinite(after) ? "" : ": the edits are so large that the model's numbers overflow"}`,
    );
    for (const hint of this.hints) hint();
    this.took.textContent = `${count(this.tokens.length, "token")}, ${milliseconds.toFixed(0)} ms`;
    const own = this.tokens === this.live.tokens;
    this.cut.replaceChildren(...(own ? [] : this.tokens.map(t => h("span", { class: "token" }, this.token(t)))));
    this.next.replaceChildren(...this.nextRows(clean, now));
    this.drawChanges(run);
    document.documentElement.dataset.live = String(Number(document.documentElement.dataset.live ?? "0") + 1);
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

  private drawChanges({ clean, now, edits }: Run): void {
    const changes = this.graph.page.nodes
      .map((n, i) => ({ i, n, column: this.column(i) }))
      .filter(({ n, column }) => column >= 0 && n.p < this.tokens.length)
      .map(({ i, n, column }) => {
        const at = this.places(n.p).map(t => t * this.live.columns + column);
        const was = at.reduce((sum, k) => sum + clean.activations[k], 0);
        const is = at.reduce((sum, k) => sum + edits.scale[k] * now.activations[k] + edits.offset[k], 0);
        return { i, was, is, change: is - was, own: at.some(k => edits.changes(k)) };
      })
      .sort((a, b) => Math.abs(b.change) - Math.abs(a.change));
    this.more.hidden = changes.length <= this.shown;
    this.nodes.replaceChildren(
      ...changes.slice(0, this.shown).map(({ i, was, is, change, own }) => {
        const go = h("button", { type: "button", class: "node" }, plain(this.graph.names[i]));
        go.addEventListener("click", () => this.choose(i));
        return h(
          "tr",
          { class: own ? "edited" : null },
          h("td", {}, go, h("span", { class: "word" }, plain(this.word(i)))),
          h("td", {}, number(was)),
          h("td", {}, number(is)),
          h("td", { class: change === 0 ? "value" : change > 0 ? "raises value" : "lowers value" }, change === 0 ? "0" : signed(change)),
        );
      }),
    );
  }

  /** A node's position, or of one summed over positions all of the prompt's. */
  private places(position: number): number[] {
    return position >= 0 ? [position] : this.tokens.map((_, t) => t);
  }
}
