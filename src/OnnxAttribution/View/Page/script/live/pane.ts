import type { LiveEdit } from "../chosen";
import type { Graph } from "../model";
import { byId, count, h, number, plain, signed } from "../text";
import type { LiveData } from "./contract";
import { EditRow } from "./edit-row";
import { Edits, type Edit, type Engine, type Outcome } from "./engine";
import { metricOf } from "./metric";
import { Results, type Host, type Run } from "./results";
import { Prompts } from "./tokens";

const FAILED = "the model could not be run";
/** Groups that have a button of their own. */
const GROUPS = 8;

/** Features that are edited, and what the model, run here, makes of it: next tokens, metric, all other features. */
export class Pane {
  private readonly prompts: Prompts;
  private readonly graph: Graph;
  private tokens: number[];
  /** The model as it is, on a prompt. */
  private clean: { tokens: number[]; outcome: Outcome } | null = null;
  private again = false;
  private rows: EditRow[] = [];
  /** What the rows were drawn for, all but their figures; and what was last computed. */
  private drawnFor = "";
  private computed: { edits: LiveEdit[]; prompt: string | null };
  private running = false;
  private readonly results: Results;

  private readonly list = h("ol", { class: "edits" });
  private readonly add = h("button", { type: "button", class: "add" }, "Edit pinned");
  private readonly whole = h("span", { class: "wholes" });
  private readonly text = h("textarea", { rows: 2, "aria-label": "Prompt", spellcheck: "false" });
  private readonly fault = h("p", { class: "fault", role: "alert" });
  private readonly value = h("p", { class: "value" });
  private readonly cut = h("p", { id: "live-tokens" });
  private readonly took = h("p", { class: "took", role: "status" });

  constructor(
    private readonly live: LiveData,
    private readonly host: Host,
    private readonly engine: Engine,
  ) {
    this.graph = host.graph;
    this.results = new Results(live, host);
    this.prompts = new Prompts(live);
    this.tokens = live.tokens;
    this.text.disabled = !this.prompts.canEdit;
    if (live.note !== null) this.text.title = live.note;
    this.text.addEventListener("input", () => this.retype());
    this.add.addEventListener("click", () => this.addPinned());
    byId("live").append(this.layout());
    const { store, chosen } = host;
    store.onChange((state, changed) => changed.has("pin") && this.offer(state.pin));
    this.computed = chosen.now;
    this.takePrompt();
    this.drawRows();
    chosen.onChange(() => this.follow());
    void this.compute();
  }

  /** What the reader has chosen has changed: here, by an undo, or by the address. */
  private follow(): void {
    const { edits, prompt } = this.host.chosen.now;
    this.drawRows();
    if (edits === this.computed.edits && prompt === this.computed.prompt) return;
    if (prompt !== this.computed.prompt) this.takePrompt();
    this.computed = this.host.chosen.now;
    void this.compute();
  }

  private layout(): HTMLElement {
    const reset = h("button", { type: "button", class: "reset" }, "Reset");
    reset.addEventListener("click", () => {
      this.fault.textContent = "";
      this.host.chosen.set({ edits: [], prompt: null });
      this.text.value = this.graph.page.run.prompt ?? "";
    });
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
        h("p", { class: "buttons" }, this.add, this.whole, reset),
        this.value,
        this.took,
      ),
      ...this.results.sections,
    );
  }

  private column(node: number): number {
    return this.results.column(node);
  }

  private get edits(): LiveEdit[] {
    return this.host.chosen.now.edits;
  }

  private offer(pin: number | null): void {
    const can = pin !== null && this.column(pin) >= 0;
    this.add.disabled = !can || this.edits.some(e => e.name === null && e.nodes[0] === pin);
    this.add.textContent = can ? `Edit ${plain(this.graph.names[pin])}` : "Pin a feature to edit it";
    const { pins, groups } = this.host.chosen.now;
    const wholes = [...groups.slice(0, GROUPS), ...(pins.length > 1 ? [{ name: count(pins.length, "pin"), nodes: pins }] : [])];
    this.whole.replaceChildren(
      ...wholes.map(({ name, nodes }) => {
        const button = h("button", { type: "button", class: "whole" }, `Edit ${plain(name)}`);
        button.disabled = !nodes.some(i => this.column(i) >= 0) || this.edits.some(e => e.name === name);
        button.addEventListener("click", () => this.addEdit(nodes, name));
        return button;
      }),
    );
  }

  private addPinned(): void {
    const { pin } = this.host.store.state;
    if (pin !== null && this.column(pin) >= 0) this.addEdit([pin], null);
  }

  /** In a run against a patch run, nodes are moved to what they are there. */
  private addEdit(nodes: number[], name: string | null): void {
    const how = nodes.some(i => this.patchOf(i) !== null) ? "patch" : "scale";
    const everywhere = nodes.every(i => this.graph.node(i).p < 0);
    this.host.chosen.set({ edits: [...this.edits, { nodes, name, everywhere, how, value: 0 }] });
    this.focus(this.edits.length - 1);
  }

  private patchOf(node: number): number | null {
    return this.graph.page.run.patched && this.column(node) >= 0 ? this.graph.node(node).pa : null;
  }

  private focus(row: number): void {
    const at = Math.min(row, this.rows.length - 1);
    if (at >= 0) this.rows[at].focus();
    else this.text.focus({ preventScroll: true });
  }

  /** Rows stay where only their figures differ, so that what is being typed is not lost. */
  private drawRows(): void {
    const key = JSON.stringify(this.edits.map(e => [e.nodes, e.name]));
    if (key !== this.drawnFor) {
      this.drawnFor = key;
      this.rows = this.edits.map((edit, i) => this.drawn(edit, i));
      this.list.replaceChildren(...this.rows.map(r => r.element));
      if (this.rows.length === 0) this.list.append(h("li", { class: "none" }, "none: this is the model as it is"));
    } else this.edits.forEach((edit, i) => this.rows[i].show(edit));
    this.hint();
    this.offer(this.host.store.state.pin);
  }

  private drawn(edit: LiveEdit, index: number): EditRow {
    const { nodes } = edit;
    const patches = nodes.map(i => this.patchOf(i)).filter(p => p !== null);
    const facts = {
      name: plain(edit.name ?? this.graph.names[nodes[0]]),
      placed: nodes.some(i => this.graph.node(i).p >= 0),
      patch: patches.length === 0 ? null : nodes.length > 1 ? ("each" as const) : patches[0],
    };
    return new EditRow(edit, facts, {
      choose: () => this.host.choose(nodes[0]),
      change: to => {
        const edits = this.edits.map((e, i) => (i === index ? { ...e, ...to } : e));
        this.host.chosen.set({ edits }, `edit ${index} ${Object.keys(to).join()}`);
      },
      remove: () => {
        this.host.chosen.set({ edits: this.edits.filter((_, i) => i !== index) });
        this.focus(index);
      },
    });
  }

  /** Of each edit what is not as it seems: nodes that stand behind the prompt's end, and those that cannot be edited. */
  private hint(): void {
    this.edits.forEach(({ nodes, everywhere }, i) => {
      const beyond = nodes.filter(n => !everywhere && this.graph.node(n).p >= this.tokens.length);
      const errors = nodes.filter(n => this.column(n) < 0).length;
      this.rows[i].hint.textContent = [
        ...(beyond.length === 0 ? [] : [`the prompt has no position ${this.graph.node(beyond[0]).p}`]),
        ...(errors === 0 ? [] : [`${count(errors, "node")} of them ${errors === 1 ? "is an error and stays" : "are errors and stay"}`]),
      ].join("; ");
    });
  }

  private retype(): void {
    const ids = this.prompts.of(this.text.value);
    this.fault.textContent = typeof ids === "string" ? ids : "";
    if (typeof ids === "string") return;
    const own = ids.join() === this.live.tokens.join();
    this.host.chosen.set({ prompt: own ? null : this.text.value }, "prompt");
  }

  /** Takes the prompt that is chosen, where it is another than the field's. */
  private takePrompt(): void {
    const { prompt } = this.host.chosen.now;
    const ids = prompt === null ? this.live.tokens : this.prompts.of(prompt);
    if (typeof ids === "string") {
      this.fault.textContent = ids;
      return;
    }
    const typed = this.prompts.of(this.text.value);
    if (typeof typed === "string" || typed.join() !== ids.join()) this.text.value = prompt ?? this.graph.page.run.prompt ?? "";
    this.tokens = ids;
  }

  /** What the edits come to, node by node. */
  private edited(): Edit[] {
    return this.edits.flatMap(({ nodes, everywhere, how, value }) =>
      nodes
        .filter(i => this.column(i) >= 0)
        .map(i => ({
          column: this.column(i),
          position: everywhere || this.graph.node(i).p < 0 ? null : this.graph.node(i).p,
          scale: how === "scale" ? value : 0,
          offset: how === "scale" ? 0 : how === "set" ? value : (this.patchOf(i) ?? 0),
        })),
    );
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
        const list = this.edited();
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
    this.hint();
    this.took.textContent = `${count(this.tokens.length, "token")}, ${milliseconds.toFixed(0)} ms`;
    const own = this.tokens === this.live.tokens;
    this.cut.replaceChildren(...(own ? [] : this.tokens.map(t => h("span", { class: "token" }, this.results.token(t)))));
    this.results.draw(run, this.tokens);
    document.documentElement.dataset.live = String(Number(document.documentElement.dataset.live ?? "0") + 1);
  }
}
