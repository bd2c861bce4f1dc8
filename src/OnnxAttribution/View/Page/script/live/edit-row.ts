import { h } from "../text";

/** An edit as the reader set it: of which node's feature, where, and to what. */
export interface Row {
  node: number;
  everywhere: boolean;
  sets: boolean;
  value: number;
}

export interface RowActions {
  choose(): void;
  change(to: Partial<Row>): void;
  remove(): void;
}

/** One edit: multiplied or set, by how much, here or everywhere.
 * @param placed Whether the node stands at a position. */
export function editRow(row: Row, name: string, placed: boolean, actions: RowActions): HTMLElement {
  const go = h("button", { type: "button", class: "node" }, name);
  go.addEventListener("click", () => actions.choose());
  const how = h(
    "select",
    { "aria-label": `How ${name} is edited`, title: "× multiplies the activation, = sets it, at each position where it is edited" },
    h("option", { value: "scale" }, "×"),
    h("option", { value: "set" }, "="),
  );
  how.value = row.sets ? "set" : "scale";
  const slider = h("input", { type: "range", min: -2, max: 4, step: 0.1, "aria-label": `Factor of ${name}` });
  const exact = h("input", { type: "number", step: "any", "aria-label": `Value of ${name}` });
  slider.value = exact.value = String(row.value);
  slider.hidden = row.sets;
  const box = h("input", { type: "checkbox" });
  box.checked = row.everywhere;
  box.disabled = !placed;
  const gone = h("button", { type: "button", class: "remove", "aria-label": `Leave ${name} as it is` }, "×");
  how.addEventListener("change", () => {
    slider.hidden = how.value === "set";
    actions.change({ sets: how.value === "set" });
  });
  slider.addEventListener("input", () => {
    exact.value = slider.value;
    actions.change({ value: Number(slider.value) });
  });
  exact.addEventListener("input", () => {
    if (exact.value === "" || !Number.isFinite(Number(exact.value))) return;
    slider.value = exact.value;
    actions.change({ value: Number(exact.value) });
  });
  box.addEventListener("change", () => actions.change({ everywhere: box.checked }));
  gone.addEventListener("click", () => actions.remove());
  return h("li", {}, go, how, slider, exact, h("label", {}, box, " everywhere"), gone);
}
