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

/** Unicode's pictures of control characters are in few fonts; these are in all. */
const shown: Record<string, string> = { "\n": "⏎", "\u0085": "⏎", "\u2028": "⏎", "\u2029": "⏎", "\r": "↵", "\t": "⇥" };

/** Text with nothing in it that hides, breaks a line or turns the direction of writing: line ends and tabs are arrows, other control
 * characters, format characters, halves of surrogate pairs and noncharacters a mark. Joiners stay: scripts and emoji need them. (What it is
 * about DisplayText.cs says too.) */
export const plain = (text: string): string =>
  text.replace(/(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}]/gu, c =>
    c in shown ? shown[c] : "\ufffd",
  );

/** A token by itself, its spaces made visible. */
export const visible = (token: string): string => plain(token).replace(/\p{Zs}/gu, "·");

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
