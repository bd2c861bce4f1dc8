import type { Camera } from "./camera";
import type { Chosen } from "./chosen";
import { Measured } from "./measured";
import type { Graph } from "./model";
import { Pane } from "./pane";
import type { Scene } from "./scene";
import type { Store } from "./state";
import { fromFile, toFile } from "./subgraph-file";
import { byId, count, h } from "./text";

const LISTED = 3;

/** What of the page pins nodes, groups and saves them. */
export class Gestures {
  readonly pane: Pane;
  private readonly measured: Measured;
  private isDrawing = false;

  constructor(
    private readonly graph: Graph,
    private readonly chosen: Chosen,
    private readonly store: Store,
    private readonly scene: Scene,
    private readonly camera: Camera,
    under: (event: PointerEvent | MouseEvent) => number | null,
  ) {
    this.measured = new Measured(chosen);
    this.pane = new Pane(graph, chosen, store, this.measured, {
      save: () => this.save(),
      open: () => this.open(),
      draw: () => this.draw(!this.isDrawing),
    });
    this.click(under);
    this.rectangle();
    this.keys();
    this.drop();
    chosen.onChange(() => this.mark());
    this.mark();
  }

  /** Marks what is pinned in the graph. */
  private mark(): void {
    const pins = new Set(this.chosen.now.pins);
    this.scene.nodes.forEach((n, i) => n.classList.toggle("chosen", pins.has(i)));
  }

  private click(under: (event: PointerEvent | MouseEvent) => number | null): void {
    byId("view").addEventListener(
      "click",
      event => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.stopImmediatePropagation();
        const node = under(event);
        if (node !== null) this.toggle(node);
      },
      true,
    );
  }

  private toggle(node: number): void {
    if (node === this.graph.metric) return this.pane.say("The metric is always in the subgraph.");
    this.chosen.toggle(node);
    this.pane.say(`${this.chosen.spelling.nodes[node]} ${this.chosen.has(node) ? "is pinned" : "is no longer pinned"}.`);
  }

  private draw(on: boolean): void {
    this.isDrawing = on;
    byId("view").classList.toggle("drawing", on);
    this.pane.say(on ? "Draw a rectangle around nodes of the graph; R or Escape leaves that." : "");
    // on a small screen the pane lies over the graph
    if (on && this.pane.isOpen && byId("subgraph").getBoundingClientRect().top <= byId("view").getBoundingClientRect().top)
      this.pane.toggle(false);
  }

  private rectangle(): void {
    const view = byId("view");
    const wanted = (event: MouseEvent | TouchEvent) => event.shiftKey || this.isDrawing;
    // d3-zoom listens to these, and would move the graph
    for (const kind of ["mousedown", "touchstart"] as const)
      view.addEventListener(kind, event => wanted(event) && event.stopImmediatePropagation(), { capture: true, passive: true });
    view.addEventListener(
      "pointerdown",
      down => {
        if (!wanted(down) || down.button !== 0) return;
        const box = h("div", { id: "rectangle" });
        const place = (event: PointerEvent): [number, number, number, number] => {
          const [x, y] = [Math.min(down.clientX, event.clientX), Math.min(down.clientY, event.clientY)];
          return [x, y, Math.abs(event.clientX - down.clientX), Math.abs(event.clientY - down.clientY)];
        };
        const own = view.getBoundingClientRect();
        const move = (event: PointerEvent) => {
          const [x, y, w, hgt] = place(event);
          box.style.left = `${x - own.left}px`;
          box.style.top = `${y - own.top}px`;
          box.style.width = `${w}px`;
          box.style.height = `${hgt}px`;
          if (!box.isConnected && w + hgt > 4) view.append(box);
        };
        const end = (event: PointerEvent) => {
          view.removeEventListener("pointermove", move);
          view.removeEventListener("pointercancel", end);
          if (!box.isConnected) return;
          box.remove();
          // a click may follow, and is not meant
          const ignore = (click: MouseEvent) => click.stopImmediatePropagation();
          view.addEventListener("click", ignore, true);
          setTimeout(() => view.removeEventListener("click", ignore, true), 0);
          if (event.type === "pointerup") this.take(place(event), own);
        };
        view.setPointerCapture(down.pointerId);
        view.addEventListener("pointermove", move);
        view.addEventListener("pointerup", end, { once: true });
        view.addEventListener("pointercancel", end, { once: true });
      },
      true,
    );
  }

  private take([x, y, w, hgt]: [number, number, number, number], view: DOMRect): void {
    const [left, top] = this.camera.transform.invert([x - view.left, y - view.top]);
    const [right, bottom] = this.camera.transform.invert([x + w - view.left, y + hgt - view.top]);
    const inside = this.graph.page.nodes
      .map((n, i) => ({ n, i }))
      .filter(({ n, i }) => n.x >= left && n.x <= right && n.y >= top && n.y <= bottom && i !== this.graph.metric && this.isShown(i))
      .map(({ i }) => i);
    this.chosen.add(inside);
    this.draw(false);
    this.pane.say(`${count(inside.length, "node")} in the rectangle, ${this.chosen.now.pins.length} pinned.`);
  }

  private isShown(i: number): boolean {
    return this.store.state.seen.joined[i] === 1;
  }

  private keys(): void {
    const hovered = () => this.store.state.hover ?? this.store.state.pin;
    const keys: Record<string, () => void> = {
      p: () => {
        const key = this.pane.focusedKey();
        const node = hovered();
        if (key !== null) this.chosen.remove(this.pane.nodesOf(key));
        else if (node !== null) this.toggle(node);
        else if (this.pane.isOpen && this.pane.hasSelected) this.pane.unpin();
        else this.pane.say("Point at a node, then press P.");
      },
      g: () => this.pane.group(),
      l: () => {
        const key = this.pane.isOpen ? this.pane.meant() : null;
        this.pane.label(key, key === null ? hovered() : null);
      },
      s: () => this.pane.toggle(),
      r: () => this.draw(!this.isDrawing),
    };
    document.addEventListener("keydown", event => {
      const target = event.target instanceof Element ? event.target : null;
      if (target?.matches("input:not([type=range]), textarea, select")) return;
      if ((event.ctrlKey || event.metaKey) && !event.altKey && ["z", "y", "Z"].includes(event.key)) {
        event.preventDefault();
        return event.key === "z" ? this.chosen.undo() : this.chosen.redo();
      }
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Escape" && this.isDrawing) this.draw(false);
      const key = event.key.toLowerCase();
      if (!(key in keys)) return;
      event.preventDefault();
      keys[key]();
    });
  }

  private drop(): void {
    const hasFile = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
    document.addEventListener("dragover", event => {
      if (!hasFile(event)) return;
      event.preventDefault();
      document.body.classList.add("dropping");
    });
    document.addEventListener("dragleave", event => event.relatedTarget === null && document.body.classList.remove("dropping"));
    document.addEventListener("drop", event => {
      document.body.classList.remove("dropping");
      const files = [...(event.dataTransfer?.files ?? [])];
      if (files.length === 0) return;
      event.preventDefault();
      void this.read(files);
    });
  }

  private async read(files: File[]): Promise<void> {
    for (const file of files) {
      try {
        this.load(file.name, JSON.parse((await file.text()).replace(/^\ufeff/, "")));
      } catch (error) {
        this.pane.toggle(true);
        const why = error instanceof SyntaxError ? "it is no JSON" : error instanceof Error ? error.message : String(error);
        this.pane.say(`${file.name} is not read: ${why}.`);
      }
    }
  }

  private load(name: string, json: unknown): void {
    if (Measured.is(json)) {
      const { groups, isOther } = this.measured.take(this.graph, json);
      this.pane.toggle(true);
      this.pane.draw();
      return this.pane.say(`${name}: ${count(groups, "measured effect")}${isOther ? ", of another run than this page's" : ""}.`);
    }
    const { subgraph, missing, isOther } = fromFile(this.graph, this.chosen, json);
    this.chosen.set(subgraph);
    this.pane.toggle(true);
    const more = missing.length > LISTED ? ` and ${missing.length - LISTED} more` : "";
    const lost = missing.length === 0 ? "" : `; not drawn here and left out: ${missing.slice(0, LISTED).join(", ")}${more}`;
    const sizes = `${count(subgraph.pins.length, "node")}, ${count(subgraph.groups.length, "group")}`;
    this.pane.say(`${name}: ${sizes}${isOther ? ", saved from another run" : ""}${lost}.`);
  }

  private save(): void {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([toFile(this.graph, this.chosen)], { type: "application/json" }));
    link.download = "subgraph.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    this.pane.say("The browser was given subgraph.json to save.");
  }

  private open(): void {
    const input = h("input", { type: "file", accept: ".json,application/json", multiple: true });
    input.addEventListener("change", () => void this.read([...(input.files ?? [])]));
    input.click();
  }
}
