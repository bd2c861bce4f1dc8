import type { How, LiveEdit } from "../chosen";
import { h, number } from "../text";

export interface RowActions {
  choose(): void;
  change(to: Partial<LiveEdit>): void;
  remove(): void;
}

/** What is said of an edit beside its figures: its name, whether its nodes stand at positions, and what they are in the patch run, where
 * there is one: of several nodes each its own. */
export interface RowFacts {
  name: string;
  placed: boolean;
  patch: number | "each" | null;
}

/** One edit as it is drawn: multiplied or set, by how much, here or everywhere. */
export class EditRow {
  readonly element: HTMLElement;
  readonly hint = h("span", { class: "beyond" });
  private readonly how: HTMLSelectElement;
  private readonly slider: HTMLInputElement;
  private readonly exact: HTMLInputElement;
  private readonly box = h("input", { type: "checkbox" });
  private readonly patch = h("span", { class: "patch" });

  constructor(edit: LiveEdit, facts: RowFacts, actions: RowActions) {
    const { name, placed, patch } = facts;
    const go = h("button", { type: "button", class: "node" }, name);
    go.addEventListener("click", () => actions.choose());
    this.how = h(
      "select",
      { "aria-label": `How ${name} is edited`, title: "× multiplies the activation, = sets it, at each position where it is edited" },
      h("option", { value: "scale" }, "×"),
      h("option", { value: "set" }, "="),
      patch === null ? null : h("option", { value: "patch" }, "set to patch value"),
    );
    this.slider = h("input", { type: "range", min: -2, max: 4, step: 0.1, "aria-label": `Factor of ${name}` });
    this.exact = h("input", { type: "number", step: "any", "aria-label": `Value of ${name}` });
    this.patch.textContent = patch === null ? "" : patch === "each" ? "each its own" : number(patch);
    this.box.disabled = !placed;
    const gone = h("button", { type: "button", class: "remove", "aria-label": `Leave ${name} as it is` }, "×");
    this.how.addEventListener("change", () => actions.change({ how: this.how.value as How }));
    this.slider.addEventListener("input", () => actions.change({ value: Number(this.slider.value) }));
    this.exact.addEventListener("input", () => {
      if (this.exact.value !== "" && Number.isFinite(Number(this.exact.value))) actions.change({ value: Number(this.exact.value) });
    });
    this.box.addEventListener("change", () => actions.change({ everywhere: this.box.checked }));
    gone.addEventListener("click", () => actions.remove());
    const everywhere = h("label", {}, this.box, " everywhere");
    this.element = h("li", {}, go, this.how, this.slider, this.exact, this.patch, everywhere, gone, this.hint);
    this.show(edit);
  }

  /** Shows an edit; what is being typed stays as it is. */
  show({ how, value, everywhere }: LiveEdit): void {
    this.how.value = how;
    this.slider.hidden = how !== "scale";
    this.exact.hidden = how === "patch";
    this.patch.hidden = how !== "patch";
    if (Number(this.slider.value) !== value) this.slider.value = String(value);
    if (this.exact.value === "" || Number(this.exact.value) !== value) this.exact.value = String(value);
    this.box.checked = everywhere;
  }

  focus(): void {
    (this.exact.hidden ? this.how : this.exact).focus({ preventScroll: true });
  }
}
