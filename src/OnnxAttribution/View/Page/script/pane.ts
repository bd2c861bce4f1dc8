import { Ask } from "./ask";
import { Board } from "./board";
import { cut, LETTERS, NOTES, type Chosen } from "./chosen";
import type { Measured } from "./measured";
import type { Graph } from "./model";
import type { Store } from "./state";
import { Suggestions } from "./suggestions";
import { byId, count, h, plain, svg } from "./text";

export interface PaneActions {
  save(): void;
  open(): void;
  draw(): void;
}

const SUMS = "Edges between boxes and effects of groups are sums of estimates, which need not hold for all together; ablate measures it.";
const OF_FILE = "onnx-attribution ablate --circuit subgraph.json --json > ablated.json";

/** The pane of chosen nodes: boxes, groups, labels, notes and suggested groups. */
export class Pane {
  readonly board: Board;
  private readonly element = h("section", { id: "subgraph", "aria-label": "Subgraph", hidden: true });
  private readonly opener = h("button", { id: "open-subgraph", type: "button", "aria-pressed": "false", title: "Pinned nodes, large (S)" });
  private readonly tools = h("div", { class: "sg-tools", role: "toolbar", "aria-label": "Subgraph" });
  private readonly ask = new Ask();
  private readonly side = h("div", { class: "sg-side", hidden: true });
  private readonly notes = h("textarea", { id: "notes", maxlength: NOTES, "aria-label": "Notes", placeholder: "Notes" });
  private readonly sums = h("p");
  private readonly command = h("code", { class: "sg-command", id: "subgraph-command", hidden: true });
  private readonly said = h("p", { class: "sg-said", role: "status" });
  private readonly selected = new Set<string>();
  private readonly suggestions: Suggestions;
  private sideShows: "notes" | "suggestions" | null = null;

  constructor(
    private readonly graph: Graph,
    private readonly chosen: Chosen,
    private readonly store: Store,
    measured: Measured,
    private readonly actions: PaneActions,
  ) {
    this.board = new Board(graph, chosen, measured);
    this.suggestions = new Suggestions(graph, chosen, store, nodes => this.nameGroup(nodes, null), words => this.say(words));
    this.element.append(
      this.tools,
      this.ask.element,
      h("div", { class: "sg-middle" }, this.board.element, this.side),
      h("div", { class: "sg-foot" }, this.sums, this.said, this.command),
    );
    byId("main").append(this.element);
    byId("zoom").append(this.opener);
    this.opener.addEventListener("click", () => this.toggle());
    this.notes.addEventListener("input", () => chosen.note(this.notes.value));
    this.listen();
    chosen.onChange(() => this.draw());
    this.draw();
  }

  get isOpen(): boolean {
    return !this.element.hidden;
  }

  toggle(open = !this.isOpen): void {
    if (open === this.isOpen) return;
    this.element.hidden = !open;
    byId("main").classList.toggle("with-subgraph", open);
    this.opener.setAttribute("aria-pressed", String(open));
    if (!open) {
      byId("main").classList.remove("only");
      this.suggestions.stop();
      this.ask.close();
    }
    this.draw();
  }

  /** Says something to everybody, also to who does not see. */
  say(words: string): void {
    this.said.textContent = words;
    byId("status").textContent = words;
  }

  draw(): void {
    for (const key of [...this.selected]) if (this.nodesOf(key).length === 0) this.selected.delete(key);
    const { pins, groups, notes } = this.chosen.now;
    const size = pins.length === 0 ? "" : String(pins.length);
    this.opener.setAttribute("aria-label", `Subgraph ${size}`.trim());
    this.opener.replaceChildren(boxes(), h("b", {}, size));
    if (!this.isOpen) return;
    this.drawTools();
    const focused = this.focusedKey();
    this.board.draw(this.selected);
    if (pins.length === 0) {
      this.board.element.prepend(
        h(
          "p",
          { class: "hint" },
          "Nothing is pinned yet. Ctrl-click nodes of the graph, press P on one, draw a rectangle with Shift held, "
            + "or drop a subgraph.json here.",
        ),
      );
    }
    if (focused !== null) this.boxAt(focused)?.focus({ preventScroll: true });
    const sizes = count(pins.length, "node") + (groups.length > 0 ? `, ${count(groups.length, "group")}` : "");
    this.sums.textContent = `${sizes}. ${SUMS}`;
    if (this.notes.value !== notes) this.notes.value = notes;
    if (this.sideShows === "suggestions") this.suggestions.draw(this.side);
  }

  /** What boxes that are selected hold, or else all that is pinned. */
  get selection(): number[] {
    return this.selected.size > 0 ? [...this.selected].flatMap(key => this.nodesOf(key)) : this.chosen.now.pins;
  }

  get hasSelected(): boolean {
    return this.selected.size > 0;
  }

  /** The key of the box that has the focus. */
  focusedKey(): string | null {
    const box = document.activeElement?.closest("[data-box]");
    return box !== null && box !== undefined && this.element.contains(box) ? box.getAttribute("data-box") : null;
  }

  nodesOf(key: string): number[] {
    if (key.startsWith("g:")) return this.chosen.now.groups.find(g => `g:${g.name}` === key)?.nodes ?? [];
    return key.startsWith("n:") && this.chosen.has(Number(key.slice(2))) ? [Number(key.slice(2))] : [];
  }

  group(): void {
    this.toggle(true);
    if (this.selected.size === 0) return this.say("Select the boxes that shall be one group, then press G.");
    this.nameGroup(this.selection, [...this.selected].find(key => key.startsWith("g:"))?.slice(2) ?? null);
  }

  /** Takes selected groups apart; their nodes stay pinned. */
  ungroup(): void {
    const names = [...this.selected].filter(key => key.startsWith("g:")).map(key => key.slice(2));
    if (names.length === 0) return this.say("Select a group, then take it apart.");
    this.chosen.ungroup(names);
  }

  unpin(): void {
    if (this.selected.size === 0) return this.say("Select the boxes that shall go.");
    this.chosen.remove(this.selection);
  }

  /** Asks for a label of a node, or another name of a group. */
  label(key: string | null, node: number | null): void {
    const group = key?.startsWith("g:") ? key.slice(2) : null;
    const of = node ?? (key?.startsWith("n:") ? Number(key.slice(2)) : null);
    if (group !== null) {
      this.toggle(true);
      return this.name(`Name of the group ${plain(group)}`, group, name => this.chosen.rename(group, name));
    }
    if (of === null || of === this.graph.metric) return this.say("Point at a node, or select one box, then press L.");
    this.toggle(true);
    const feature = this.chosen.spelling.features[this.graph.node(of).f];
    this.name(`Your label of ${feature}`, this.chosen.labelOf(of) ?? "", text => {
      this.chosen.label(of, text);
      this.say(text.trim() === "" ? `${feature} has no label of yours.` : `${feature} is labelled ${plain(text.trim())}.`);
    });
  }

  /** The one box that is meant: the focused one, else the only selected one. */
  meant(): string | null {
    return this.focusedKey() ?? (this.selected.size === 1 ? [...this.selected][0] : null);
  }

  /** The command that ablates what is selected, and all of a saved file's groups. */
  copy(): void {
    const nodes = this.selection;
    if (nodes.length === 0) return this.say("Pin some nodes first.");
    const { ablate } = this.graph.page.run;
    const whole = !this.hasSelected && this.chosen.now.groups.length > 0;
    const line = whole || ablate === null ? OF_FILE : `${ablate}'${this.circuit(nodes)}'`;
    this.command.textContent = line;
    this.command.hidden = false;
    const said = whole || ablate === null ? "; save subgraph.json first, and drop ablated.json here" : "";
    navigator.clipboard
      .writeText(line)
      .then(() => this.say(`Copied${said}.`))
      .catch(() => {
        // a page from disk may not be let near the clipboard: select it, so that Ctrl+C does it
        getSelection()?.selectAllChildren(this.command);
        this.say(`Selected: copy it with Ctrl+C${said}.`);
      });
  }

  /** Nodes as `ablate --circuit` takes them, site by site. */
  circuit(nodes: number[]): string {
    const bySite = new Map<string, string[]>();
    for (const i of nodes) {
      const [site, unit] = this.chosen.spelling.nodes[i].split(":");
      bySite.set(site, [...(bySite.get(site) ?? []), unit]);
    }
    return [...bySite].map(([site, units]) => `${site}:${units.join(",")}`).join(";");
  }

  /** A button of the side panel for the node that is shown there, and the reader's label. */
  dress(node: number | null): void {
    const sheet = byId("sheet");
    sheet.querySelector(".own")?.remove();
    if (node === null || node === this.graph.metric) return;
    const isIn = this.chosen.has(node);
    const label = this.chosen.labelOf(node);
    const words = isIn ? "In the subgraph" : "Add to subgraph";
    const pin = h("button", { type: "button", class: "choose", "aria-pressed": String(isIn) }, words);
    pin.addEventListener("click", () => this.chosen.toggle(node));
    const name = h("button", { type: "button", class: "name-it" }, label === null ? "Label…" : "Change label…");
    name.addEventListener("click", () => this.label(null, node));
    const own = label === null ? null : h("p", { class: "own-label" }, plain(label));
    sheet.querySelector(".head")?.after(h("div", { class: "own" }, own, pin, name));
  }

  private suggestedName(nodes: number[]): string {
    const strongest = nodes.reduce((a, b) => (Math.abs(this.graph.node(b).e ?? 0) > Math.abs(this.graph.node(a).e ?? 0) ? b : a));
    return this.board.label(strongest) ?? this.chosen.spelling.features[this.graph.node(strongest).f];
  }

  private nameGroup(nodes: number[], name: string | null): void {
    this.name("Name of the group", name ?? this.suggestedName(nodes), text => {
      const called = cut(text.trim(), LETTERS);
      if (called === "") return this.say("A group needs a name.");
      this.selected.clear();
      this.chosen.group(called, nodes);
      this.selected.add(`g:${called}`);
      this.draw();
      this.say(`${count(nodes.length, "node")} in the group ${plain(called)}.`);
    });
  }

  private name(what: string, value: string, take: (text: string) => void): void {
    const back = this.focusedKey();
    this.ask.for(what, value, take, () => back !== null && this.boxAt(back)?.focus());
  }

  private large(): void {
    byId("main").classList.toggle("only");
    this.drawTools();
  }

  private drawTools(): void {
    const button = (name: string, key: string | null, act: () => void, disabled = false, pressed: boolean | null = null) => {
      const element = h(
        "button",
        { type: "button", "data-tool": name, disabled, title: key, "aria-pressed": pressed === null ? null : String(pressed) },
        name,
        key === null ? null : h("kbd", { "aria-hidden": "true" }, key),
      );
      element.addEventListener("click", act);
      return element;
    };
    const groups = [...this.selected].some(key => key.startsWith("g:"));
    const focused = document.activeElement?.getAttribute("data-tool") ?? null;
    this.tools.replaceChildren(
      button("Group", "G", () => this.group(), this.selected.size === 0),
      button("Ungroup", null, () => this.ungroup(), !groups),
      button("Label", "L", () => this.label(this.meant(), null), this.meant() === null),
      button("Unpin", "P", () => this.unpin(), this.selected.size === 0),
      button("Rectangle", "R", () => this.actions.draw()),
      button("Undo", "Ctrl Z", () => this.chosen.undo(), !this.chosen.canUndo),
      button("Redo", null, () => this.chosen.redo(), !this.chosen.canRedo),
      h("span", { class: "push" }),
      button("Suggestions", null, () => this.show("suggestions"), false, this.sideShows === "suggestions"),
      button("Notes", null, () => this.show("notes"), false, this.sideShows === "notes"),
      button("Copy as command", null, () => this.copy()),
      button("Save", null, () => this.actions.save()),
      button("Open", null, () => this.actions.open()),
      button("Large", null, () => this.large(), false, byId("main").classList.contains("only")),
      button("Close", "S", () => this.toggle(false)),
    );
    if (focused !== null) this.tools.querySelector<HTMLElement>(`[data-tool="${focused}"]:not(:disabled)`)?.focus();
  }

  private show(what: "notes" | "suggestions"): void {
    this.suggestions.stop();
    this.sideShows = this.sideShows === what ? null : what;
    this.side.hidden = this.sideShows === null;
    if (this.sideShows === "notes") this.side.replaceChildren(h("h3", {}, "Notes"), this.notes);
    this.draw();
    if (this.sideShows === "notes") this.notes.focus();
  }

  private boxAt(key: string): HTMLElement | null {
    return [...this.board.element.querySelectorAll<HTMLElement>("[data-box]")].find(b => b.dataset.box === key) ?? null;
  }

  private select(key: string): void {
    if (key === "metric") return;
    if (!this.selected.delete(key)) this.selected.add(key);
    this.draw();
    this.boxAt(key)?.focus({ preventScroll: true });
  }

  private listen(): void {
    const { element } = this.board;
    const keyOf = ({ target }: Event) =>
      target instanceof Element ? (target.closest("[data-box]")?.getAttribute("data-box") ?? null) : null;
    element.addEventListener("click", event => {
      const key = keyOf(event);
      if (key !== null) this.select(key);
    });
    element.addEventListener("keydown", event => {
      const key = keyOf(event);
      if (key === null || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      this.select(key);
    });
    for (const on of ["pointerover", "focusin"]) element.addEventListener(on, event => this.look(keyOf(event)));
    for (const off of ["pointerleave", "focusout"]) element.addEventListener(off, () => this.look(null));
  }

  /** Lights the edges of a box, and shows its node beside. */
  private look(key: string | null): void {
    const world = this.board.element.querySelector(".boxes");
    world?.classList.toggle("looking", key !== null);
    for (const line of this.board.element.querySelectorAll<SVGElement>(".sum"))
      line.classList.toggle("lit", line.dataset.from === key || line.dataset.to === key);
    this.store.update({ hover: key === null ? null : key === "metric" ? this.graph.metric : (this.nodesOf(key)[0] ?? null) });
  }
}

const boxes = (): SVGElement =>
  svg(
    "svg",
    { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("path", { d: "M5 2h6v4H5ZM1.5 10.5h5v3.5h-5ZM9.5 10.5h5v3.5h-5ZM4 10.5 7 6M12 10.5 9 6" }),
  );
