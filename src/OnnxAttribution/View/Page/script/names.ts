import type { NodeData, Site } from "./contract";
import { visible } from "./text";

/** What earlier pages and reports called a node: "3.263" and "3.resid 263", with "@2" and " @2" behind them. */
export function formerSpellings(node: NodeData, site: Site | null): string[] {
  const unit = /:(.+)$/.exec(node.l)?.[1];
  if (site === null || unit === undefined) return [];
  const short = unit === "error" ? "err" : unit === "errors" ? "errs" : unit;
  const names = [`${site.short} ${unit}`, `${site.short}:${unit}`, `${site.short.split(".")[0]}.${short}`];
  return node.p < 0 ? names : names.flatMap(n => [`${n}@${node.p}`, `${n} @${node.p}`]);
}

/** What to write for "3.263", which may be at any site of the layer; null where the text is not of that kind. */
export function hintFor(text: string): string | null {
  const parts = /^(\d+)\.(\d+)(?:@\d+)?$/.exec(text.trim());
  if (parts === null) return null;
  const [, layer, feature] = parts;
  return `${layer}.${feature} is written ${layer}:${feature} in the residual stream, ${layer}.attn:${feature} or ${layer}.mlp:${feature}`;
}

/** A node's word as it is shown beside its number: a label as it is, a token with its spaces to be seen. */
export const wordOf = (word: string | null, isLabel: boolean): string => (word === null ? "" : isLabel ? word : visible(word));
