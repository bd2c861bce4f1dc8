import type { Known } from "./contract";

type Child = Node | string | null;
type Attributes = Record<string, string | number | boolean | null>;

const SVG = "http://www.w3.org/2000/svg";

function fill<E extends Element>(element: E, attributes: Attributes, children: Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null) element.append(child);
  return element;
}

/** An element of the page. Texts become text nodes: nothing of the data is ever parsed as markup. */
export const h = <K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] => fill(document.createElement(name), attributes, children);

export const svg = <K extends keyof SVGElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] => fill(document.createElementNS(SVG, name), attributes, children);

export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element as E;
}

const shown: Record<string, string> = { "\n": "⏎", "\r": "␍", "\t": "⇥" };

/** Text that any format can hold: control characters as their pictures,
 * lone surrogates and what would turn the direction of writing replaced. */
export const plain = (text: string): string =>
  text
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd")
    .replace(/[\n\r\t]/g, c => shown[c])
    .replace(/[\u0000-\u001f]/g, c => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff]/g, "\ufffd");

/** A token by itself, its spaces made visible. */
export const visible = (token: string): string => plain(token).replace(/[ \u00a0]/g, "·");

/** A token within a text, where spaces do their work; one of nothing but spaces is made visible. */
export const running = (token: string): string => (token.trim() === "" ? visible(token) : plain(token));

const minus = (text: string): string => text.replace("-", "−");

/** Four significant digits. */
export function number(value: Known, digits = 4): string {
  if (value === null || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return minus(value.toExponential(2));
  return minus(Number(value.toPrecision(digits)).toLocaleString("en-US", { maximumFractionDigits: 6 }));
}

export const signed = (value: Known, digits = 4): string => (value !== null && value > 0 ? "+" : "") + number(value, digits);

/** Two decimals and a sign, for numbers in a column. */
export const decimals = (value: number): string => minus(`${value > 0 ? "+" : ""}${value.toFixed(2)}`);

export const percent = (share: Known): string => {
  if (share === null || !Number.isFinite(share)) return "–";
  const digits = share < 0.001 ? { maximumSignificantDigits: 2 } : { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return `${minus((share * 100).toLocaleString("en-US", digits))} %`;
};

export const count = (value: number, one: string): string => `${value.toLocaleString("en-US")} ${one}${value === 1 ? "" : "s"}`;

export const nodesWords = (shown: number, all: number): string =>
  shown === all ? count(all, "node") : `${shown.toLocaleString("en-US")} of ${count(all, "node")}`;

export const edgesWords = (shown: number, all: number): string =>
  shown === all ? count(all, "edge") : `${shown.toLocaleString("en-US")} of ${count(all, "edge")}`;
