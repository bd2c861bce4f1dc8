import { isAddress } from "./address";
import type { Known, Prompt, Run } from "./contract";
import { count, h, number, plain } from "./text";

/** In how many of a merged graph's prompts something stands; null where that is not known. */
export function standsIn(prompts: Known, run: Run): string | null {
  return prompts === null ? null : `${prompts.toLocaleString("en-US")} of ${count(run.promptCount, "prompt")}`;
}

/** The prompts that a merged graph is of, each with its own metric and a way to its own page. */
export function promptsOf(run: Run): HTMLElement[] {
  if (run.prompts.length === 0) return [];
  const pages = run.prompts.filter(p => p.page !== null).length;
  const more = run.promptCount - run.prompts.length;
  return [
    h("h3", {}, "Prompts", h("small", {}, pages === 0 ? count(run.promptCount, "prompt") : `${pages} with a page of its own`)),
    h("ol", { class: "prompts" }, ...run.prompts.map(p => h("li", {}, row(p)))),
    ...(more === 0 ? [] : [h("p", { class: "parts" }, `and ${more.toLocaleString("en-US")} more`)]),
  ];
}

function row(prompt: Prompt): HTMLElement {
  const parts = [
    h("b", {}, plain(prompt.name)),
    h("span", { class: "text" }, plain(prompt.text)),
    h("span", { class: "near" }, plain(prompt.metric)),
    h("span", { class: "value" }, number(prompt.value)),
  ];
  return isAddress(prompt.page) ? h("a", { href: prompt.page }, ...parts) : h("div", {}, ...parts);
}
