import { marksOfBoth } from "./compare";
import type { Card, Context, Known, Tokens } from "./contract";
import type { Graph } from "./model";
import { count, decimals, h, number, percent, plain, running, svg, visible } from "./text";

const CONTEXTS = 5;

/** The prompt, shaded by the node's feature. */
export function promptOf(graph: Graph, i: number): HTMLElement[] {
  const { run, comparison } = graph.page;
  const acts = graph.feature(i)?.acts ?? [];
  if (comparison !== null || run.tokens.length === 0 || acts.length === 0) return [];
  const at = new Map(acts);
  const most = Math.max(...at.values(), 1e-30);
  return [
    h(
      "p",
      { class: "text prompt" },
      ...run.tokens.map((t, p) => shaded(visible(t), (at.get(p) ?? 0) / most, p === graph.node(i).p ? "here" : "", at.get(p) ?? null)),
    ),
  ];
}

/** Tokens that the weights alone say it raises and lowers; how much is known of a text only. */
export function tokensOf(graph: Graph, tokens: Tokens): HTMLElement[] {
  const text = (s: number) => graph.page.strings[s] ?? "";
  const ranked = (indices: number[]): [number, null][] => indices.map(s => [s, null]);
  if (tokens.up.length + tokens.down.length === 0) return [];
  return [
    h(
      "div",
      { class: "pair" },
      logits("Promotes", "raises", ranked(tokens.up), text),
      logits("Suppresses", "lowers", ranked(tokens.down), text),
    ),
  ];
}

/** An activation that is marked in a histogram: where it is, and on a page of two runs whose. */
export interface Mark {
  name: string;
  activation: number;
  side: string | null;
}

/** A node's activations; at no position there is none, but a sum of several, which is none of a histogram's. */
export function marksOf(graph: Graph, i: number): Mark[] {
  const node = graph.node(i);
  if (node.p < 0) return [];
  return marksOfBoth(graph, i) ?? (node.a === null ? [] : [{ name: "here", activation: node.a, side: null }]);
}

/** What a text says about the feature. */
export function cardOf(graph: Graph, card: Card, marks: Mark[]): HTMLElement[] {
  const text = (s: number) => graph.page.strings[s] ?? "";
  return [
    ...(card.up.length + card.down.length === 0
      ? []
      : [h("div", { class: "pair" }, logits("Promotes", "raises", card.up, text), logits("Suppresses", "lowers", card.down, text))]),
    h("h3", {}, "Where it is active", h("small", {}, `${percent(card.rate)} of tokens · up to ${number(card.max, 3)}`)),
    card.hist.length === 0
      ? h("p", { class: "hint" }, "Never active on the text the dashboards were made from.")
      : histogram(card, marks),
    ...contexts(card, text),
    ...(card.near.length === 0
      ? []
      : [
          h(
            "p",
            { class: "near" },
            "nearest by decoder cosine: ",
            ...card.near.slice(0, 5).map(([f, cosine]) => h("span", {}, h("b", {}, String(f)), ` ${number(cosine, 2)} `)),
          ),
        ]),
  ];
}

function logits(title: string, sign: string, pairs: [number, Known][], text: (s: number) => string): HTMLElement {
  const most = Math.max(...pairs.map(p => Math.abs(p[1] ?? 0)), 1e-30);
  return h(
    "div",
    { class: `logits ${sign}` },
    h("h3", {}, title),
    h(
      "ol",
      {},
      ...pairs.slice(0, 8).map(([s, value]) => {
        const token = h("span", { class: "token" }, visible(text(s)));
        token.style.setProperty("--share", (Math.abs(value ?? 0) / most).toFixed(3));
        return h("li", {}, token, value === null ? null : h("span", { class: "value" }, decimals(value)));
      }),
    ),
  );
}

function histogram(card: Card, marks: Mark[]): HTMLElement {
  const [w, height] = [320, 34];
  const most = Math.log1p(Math.max(...card.hist));
  const bin = w / card.hist.length;
  const bars = card.hist.map((n, i) => {
    const tall = most > 0 ? (Math.log1p(n) / most) * height : 0;
    return svg("rect", { x: i * bin + 0.5, y: height - tall, width: Math.max(0.5, bin - 1), height: tall });
  });
  // bins are a power of two wide and the last holds the maximum, so this is the power; where they end lies a little above the maximum
  const end = card.hist.length * 2 ** Math.round(Math.log2(card.max / (card.hist.length - 0.5)));
  const words = marks.map(m => `; ${m.name} ${number(m.activation)}`).join("");
  return h(
    "div",
    { class: "histogram" },
    svg(
      "svg",
      { viewBox: `0 -6 ${w} ${height + 7}`, role: "img", "aria-label": `Histogram of its activations, counts on a log scale${words}` },
      ...bars,
      ...(card.max <= 0 ? [] : marks).map(({ activation, side }) => {
        const at = Math.min(1, activation / end) * w;
        return svg("path", { class: "mark", "data-in": side, d: `M${at} ${height}V-1M${at - 3} -6H${at + 3}L${at} -1Z` });
      }),
    ),
    h(
      "p",
      {},
      h("span", {}, "0"),
      ...marks.map(m => h("span", { class: "marked", "data-in": m.side }, `▾ ${m.name} ${number(m.activation, 3)}`)),
      h("span", {}, number(end, 3)),
    ),
  );
}

function contexts(card: Card, text: (s: number) => string): HTMLElement[] {
  const quantiles = [...new Set(card.ctx.map(c => c.q))].sort((a, b) => a - b);
  return quantiles.map(q => {
    const all = card.ctx.filter(c => c.q === q);
    const list = (some: Context[]) => some.map(c => context(c, card.max, text));
    const rest = all.slice(q === 0 ? CONTEXTS : 0);
    return h(
      "div",
      { class: "contexts" },
      ...(q === 0 ? list(all.slice(0, CONTEXTS)) : []),
      rest.length === 0
        ? null
        : h(
            "details",
            {},
            h(
              "summary",
              {},
              q === 0 ? `${count(rest.length, "more context")}` : `${count(rest.length, "context")} from stratum ${q} below`,
            ),
            ...list(rest),
          ),
    );
  });
}

function context(c: Context, max: number, text: (s: number) => string): HTMLElement {
  const at = new Map(c.a);
  return h(
    "p",
    { class: "text" },
    ...c.t.map((s, o) => shaded(running(text(s)), (at.get(o) ?? 0) / Math.max(max, 1e-30), o === c.peak ? "peak" : "", at.get(o) ?? null)),
  );
}

function shaded(token: string, heat: number, classes: string, activation: Known): HTMLElement {
  if (activation === null && classes === "") return h("span", {}, token);
  const span = h("span", { class: `heat ${classes}`, title: activation === null ? null : `${plain(token)} ${number(activation)}` }, token);
  span.style.setProperty("--heat", Math.min(1, heat).toFixed(3));
  return span;
}
