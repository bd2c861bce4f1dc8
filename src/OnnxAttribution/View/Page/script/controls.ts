import { download } from "./download";
import type { Graph } from "./model";
import type { Scene } from "./scene";
import type { State, Store } from "./state";
import { byId, edgesWords, nodesWords, number } from "./text";

const STEPS = 1000;

/** A slider from none to all. In between it counts as a power, since most of what is worth seeing lies among the strongest. */
class Threshold {
  private readonly slider: HTMLInputElement;
  private readonly label: HTMLElement;
  private frame = 0;

  constructor(
    id: string,
    private readonly all: number,
    private readonly power: number,
    change: (count: number) => void,
  ) {
    [this.slider, this.label] = [byId<HTMLInputElement>(id), byId(`${id}-label`)];
    this.slider.addEventListener("input", () => {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => change(this.count()));
    });
  }

  /** The slider stands where the hand has put it unless the number came from elsewhere. */
  draw(count: number, weakest: number | null, words: string): void {
    if (this.count() !== count) this.slider.value = String(this.place(count));
    this.label.textContent = weakest === null ? words : `${words}, |effect| ≥ ${number(weakest, 2)}`;
    this.slider.setAttribute("aria-valuetext", words);
  }

  private count(): number {
    return Math.round(this.all * (Number(this.slider.value) / STEPS) ** this.power);
  }

  private place(count: number): number {
    return this.all === 0 ? STEPS : Math.round(STEPS * (count / this.all) ** (1 / this.power));
  }
}

const isDark = (state: State): boolean =>
  state.theme === "dark" || (state.theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);

/** The buttons and the sliders, and how they look in each state. */
export class Controls {
  private readonly edges: Threshold;
  private readonly nodes: Threshold;
  private readonly strongest: number[];
  private readonly signs = [...document.querySelectorAll<HTMLButtonElement>("#sign [data-sign]")];

  constructor(
    private readonly graph: Graph,
    scene: Scene,
    store: Store,
  ) {
    this.edges = new Threshold("threshold", graph.edgeCount, 2.2, shown => store.update({ shown }));
    this.nodes = new Threshold("node-threshold", graph.nodeCount - 1, 1.6, nodes => store.update({ nodes }));
    this.strongest = graph.strongest(graph.nodeCount);
    for (const button of this.signs) {
      const sign = button.dataset.sign === "metric" ? "metric" : "downstream";
      button.disabled = graph.signs[sign] === 0 && graph.edgeCount > 0;
      button.addEventListener("click", () => store.update({ sign }));
    }
    byId("palette").addEventListener("click", () => store.update({ safe: !store.state.safe }));
    byId("theme").addEventListener("click", () => store.update({ theme: isDark(store.state) ? "light" : "dark" }));
    byId("download").addEventListener("click", () => download(graph, scene, store.state));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.dress(store.state));
  }

  draw(state: State): void {
    const effects = this.graph.page.edges.eff;
    const size = (value: number | null | undefined): number => Math.abs(value ?? 0);
    this.edges.draw(
      state.shown,
      state.shown === 0 ? null : size(effects[state.shown - 1]),
      edgesWords(state.seen.edgeCount, this.graph.edgeCount),
    );
    this.nodes.draw(
      state.nodes,
      state.nodes === 0 ? null : size(this.graph.node(this.strongest[state.nodes - 1])?.e),
      nodesWords(state.seen.nodeCount, this.graph.nodeCount - 1),
    );
    for (const button of this.signs) button.setAttribute("aria-checked", String(button.dataset.sign === state.sign));
    byId("palette").setAttribute("aria-pressed", String(state.safe));
    this.dress(state);
  }

  private dress(state: State): void {
    document.documentElement.dataset.theme = isDark(state) ? "dark" : "light";
    document.documentElement.dataset.palette = state.safe ? "safe" : "usual";
  }
}
