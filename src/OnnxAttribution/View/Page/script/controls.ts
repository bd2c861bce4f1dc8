import { download } from "./download";
import type { Graph } from "./model";
import { edgesWords } from "./panel";
import type { Scene } from "./scene";
import type { State, Store } from "./state";
import { byId, number } from "./text";

/** The slider's ends are few and many edges;
 * in between it counts as a power, since most of what is worth seeing lies among the strongest. */
const POWER = 2.2;
const STEPS = 1000;

const toCount = (value: number, all: number): number => Math.round(all * (value / STEPS) ** POWER);
const toValue = (count: number, all: number): number => (all === 0 ? STEPS : Math.round(STEPS * (count / all) ** (1 / POWER)));

const isDark = (state: State): boolean =>
  state.theme === "dark" || (state.theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);

/** The buttons and the slider, and how they look in each state. */
export class Controls {
  private readonly slider = byId<HTMLInputElement>("threshold");
  private readonly signs = [...document.querySelectorAll<HTMLButtonElement>("#sign [data-sign]")];
  private frame = 0;

  constructor(
    private readonly graph: Graph,
    scene: Scene,
    store: Store,
  ) {
    const all = graph.edgeCount;
    this.slider.addEventListener("input", () => {
      cancelAnimationFrame(this.frame);
      this.frame = requestAnimationFrame(() => store.update({ shown: toCount(Number(this.slider.value), all) }));
    });
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
    const all = this.graph.edgeCount;
    // the slider stands where the hand has put it unless the number came from elsewhere
    if (toCount(Number(this.slider.value), all) !== state.shown) this.slider.value = String(toValue(state.shown, all));
    const weakest = state.shown === 0 ? null : Math.abs(this.graph.page.edges.eff[state.shown - 1] ?? 0);
    const words = edgesWords(state.shown, all);
    byId("threshold-label").textContent = weakest === null ? words : `${words}, |effect| ≥ ${number(weakest, 2)}`;
    this.slider.setAttribute("aria-valuetext", words);
    for (const button of this.signs) button.setAttribute("aria-checked", String(button.dataset.sign === state.sign));
    byId("palette").setAttribute("aria-pressed", String(state.safe));
    this.dress(state);
  }

  private dress(state: State): void {
    document.documentElement.dataset.theme = isDark(state) ? "dark" : "light";
    document.documentElement.dataset.palette = state.safe ? "safe" : "usual";
  }
}
