import { isAddress, keep } from "./address";
import type { Batch, BatchRow, Known } from "./batch-contract";
import { byId, count, h, number, percent, plain, visible } from "./text";

interface Column {
  name: string;
  title: string;
  of: (row: BatchRow) => string | Known;
  cell: (row: BatchRow) => Node | string;
}

const figure = (name: string, title: string, of: (row: BatchRow) => Known, text: (value: Known) => string): Column => ({
  name,
  title,
  of,
  cell: row => text(of(row)),
});

const token = (text: string | null): Node | string => (text === null ? "" : h("span", { class: "token" }, visible(text)));

const COLUMNS: Column[] = [
  { name: "prompt", title: "as the batch has them", of: () => null, cell: named },
  { name: "tokens", title: "the prompt's tokens", of: row => (row.text === null ? row.tokens.length : row.text), cell: tokens },
  { name: "target", title: "the token explained, and the one it is set against", of: row => row.target, cell: target },
  figure("metric", "the metric's clean value", row => row.value, number),
  figure("nodes", "kept nodes", row => row.kept, number),
  figure("edges", "edges between them", row => row.edges, number),
  figure("errors", "share of all |effect| that error nodes carry", row => row.errors, percent),
  figure("validation", "Pearson correlation of estimated node effects with exact ones", row => row.validation, v => number(v, 3)),
];
const TEXTS = 3;

const batch = readBatch();
/** As the batch has them: by no column. */
const AS_THEY_ARE = { by: -1, down: false };
let sorted = AS_THEY_ARE;

function readBatch(): Batch {
  const data = JSON.parse(byId("data").textContent ?? "") as Batch;
  if (data.version !== 1) throw new Error(`this page's script reads version 1 of its data, not ${String(data.version)}`);
  return data;
}

function named(row: BatchRow): Node {
  const name = h("b", {}, plain(row.name));
  return isAddress(row.page) ? h("a", { href: row.page }, name) : name;
}

function tokens(row: BatchRow): Node {
  if (row.tokens.length === 0) {
    const fault = row.fault === null ? null : h("p", { class: "fault" }, plain(row.fault));
    return h("div", {}, plain(row.text ?? ""), fault);
  }
  const parts = row.tokens.map((t, i) => h("span", { class: i === row.position ? "at" : null, title: `position ${i}` }, visible(t)));
  return h("div", { class: "tokens", tabindex: 0, "aria-label": plain(row.tokens.join("")) }, ...parts);
}

function target(row: BatchRow): Node {
  return h("span", {}, token(row.target), row.foil === null ? null : " over ", row.foil === null ? null : token(row.foil));
}

/** By a column; what is not known comes last, and equals stay in the order of the batch. */
function order(): BatchRow[] {
  const { by, down } = sorted;
  if (by <= 0) return down ? [...batch.rows].reverse() : batch.rows;
  const { of } = COLUMNS[by];
  return [...batch.rows].sort((a, b) => {
    const [x, y] = [of(a), of(b)];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    const difference = typeof x === "string" || typeof y === "string" ? String(x).localeCompare(String(y)) : x - y;
    return down ? -difference : difference;
  });
}

function draw(): void {
  document.querySelectorAll("th").forEach((th, i) =>
    th.setAttribute("aria-sort", i !== sorted.by ? "none" : sorted.down ? "descending" : "ascending"),
  );
  const cell = (row: BatchRow, column: Column, i: number) =>
    i === 0 ? h("th", { scope: "row" }, column.cell(row)) : h("td", { class: i < TEXTS ? null : "figure" }, column.cell(row));
  document.querySelector("tbody")?.replaceChildren(...order().map(row => h("tr", {}, ...COLUMNS.map((c, i) => cell(row, c, i)))));
}

function sort(by: number): void {
  // the first column gives the batch's order back, and turns it round; of figures, what is large is looked for first
  if (by === 0) sorted = sorted.by < 0 ? { by, down: true } : AS_THEY_ARE;
  else sorted = { by, down: by === sorted.by ? !sorted.down : by >= TEXTS };
  keep(sorted.by < 0 ? "" : `sort=${COLUMNS[by].name}${sorted.down ? "&order=down" : ""}`);
  draw();
}

function restore(): void {
  const parts = new URLSearchParams(location.hash.replace(/^#/, ""));
  const by = COLUMNS.findIndex(c => c.name === parts.get("sort"));
  const down = parts.get("order") === "down";
  sorted = by > 0 || (by === 0 && down) ? { by, down } : AS_THEY_ARE;
  draw();
}

document.querySelector("thead")?.append(
  h(
    "tr",
    {},
    ...COLUMNS.map((column, i) => {
      const button = h("button", { type: "button", title: column.title }, column.name);
      button.addEventListener("click", () => sort(i));
      return h("th", { scope: "col", class: i < TEXTS ? null : "figure" }, button);
    }),
  ),
);
const rest = batch.all > batch.rows.length;
if (rest) {
  const first = batch.rows.length.toLocaleString("en-US");
  const words = `These are the first ${first} of ${count(batch.all, "prompt")}; in this directory all are listed by: `;
  byId("rows").append(h("p", { id: "rest" }, words, h("code", {}, plain(batch.query))));
}
byId("what").textContent = [count(batch.all, "prompt"), batch.metric, `model ${batch.model}`, batch.program].map(plain).join(" · ");
byId("merged-title").append(isAddress(batch.page) ? h("a", { href: batch.page }, "Merged graph") : "Merged graph");
byId("mean").textContent = `the mean over all prompts, summed over positions: ${number(batch.kept)} nodes, ${number(batch.edges)} edges`;
addEventListener("hashchange", restore);
restore();
document.documentElement.dataset.ready = "true";
