import type { PageData, Pair, Run } from "./contract";
import { byId, count, h, number, percent, plain, svg, visible } from "./text";

/** A prompt of more tokens than this is set smaller. */
const LONG = 24;

/** Prompt, metric, next tokens, what errors carry, and how the run was made. */
export function writeHeader(page: PageData): void {
  const { run } = page;
  byId("header").append(
    h(
      "div",
      { class: "title" },
      run.tokens.length === 0
        ? h("h1", {}, plain(page.title))
        : h(
            "h1",
            { class: run.tokens.length > LONG ? "long" : null, "aria-label": plain(page.title) },
            ...tokens(run.tokens, run.position),
            ...explained(run),
          ),
      run.patchPrompt === null
        ? null
        : h(
            "p",
            { class: "patch" },
            h("span", { class: "name" }, "patch "),
            ...(run.patchTokens.length > 0 ? tokens(run.patchTokens, run.position, run.tokens) : [plain(run.patchPrompt)]),
          ),
      h(
        "p",
        { class: "metric" },
        h("span", { class: "name" }, plain(run.metric)),
        ...(run.clean === null && run.merged ? ownMetrics(run) : [" ", h("b", {}, number(run.clean))]),
        run.patch === null ? null : h("span", {}, " clean, ", h("b", {}, number(run.patch)), " patch"),
      ),
    ),
    run.top.length === 0 ? h("div") : nextTokens(run),
    h(
      "div",
      { class: "shares" },
      share(run.explained),
      h(
        "p",
        {},
        h("b", {}, run.kept.toLocaleString("en-US")),
        ` of ${count(run.nodes, "node")} kept · `,
        h("b", {}, run.storedEdges.toLocaleString("en-US")),
        ` ${run.storedEdges === 1 ? "edge" : "edges"}`,
        drawn(page),
      ),
    ),
    about(page),
  );
  // of a prompt too long for its lines the end is what the next token follows from
  const title = byId("header").querySelector("h1");
  if (title !== null) title.scrollTop = title.scrollHeight;
}

/** Of prompts with metrics of their own there is no one number. */
function ownMetrics({ least, most }: Run): (HTMLElement | string)[] {
  return least === null
    ? [", each of its own tokens"]
    : [", each of its own tokens: ", h("b", {}, number(least)), " to ", h("b", {}, number(most))];
}

export function tokens(texts: string[], position: number | null, clean = texts): HTMLElement[] {
  return texts.map((t, i) =>
    h(
      "span",
      {
        class: `token${i === position ? " at" : ""}${t === clean[i] ? "" : " other"}${/^<\|.*\|>$/.test(t) ? " special" : ""}`,
        title: `position ${i}`,
        "data-position": i,
      },
      visible(t),
    ),
  );
}

/** The token explained, where the metric is of one (kl is not), and the model's own where that is another. */
function explained({ target, foil, top }: Run): HTMLElement[] {
  const own = top.length === 0 ? null : top[0].token;
  return [
    ...(target === null
      ? []
      : [
          h("span", { class: "arrow", "aria-hidden": "true" }, "→"),
          h("span", { class: "token next", title: "the token explained" }, visible(target)),
        ]),
    ...(foil === null ? [] : [h("span", { class: "aside" }, " over "), h("span", { class: "token" }, visible(foil))]),
    ...(own === null || own === target || own === foil
      ? []
      : [h("span", { class: "aside" }, " the model's top token is "), h("span", { class: "token" }, visible(own))]),
  ];
}

/** The likeliest next tokens, and behind them those that the metric is about where they are not among them. */
function nextTokens({ top, target, foil, targetProbability, foilProbability }: Run): HTMLElement {
  const first = top.slice(0, 5);
  const further = [
    { token: target, probability: targetProbability },
    { token: foil, probability: foilProbability },
  ].flatMap(({ token, probability }) =>
    token === null || probability === null || first.some(t => t.token === token) ? [] : [{ token, probability }],
  );
  return h(
    "div",
    { class: "nexts" },
    h("h2", {}, "Next token"),
    h(
      "ol",
      {},
      ...[...first, ...further].map(({ token, probability: p }) => {
        const name = h("span", { class: token === target ? "token target" : "token" }, visible(token));
        name.style.setProperty("--share", Math.max(0, Math.min(1, p)).toFixed(3));
        return h("li", {}, name, h("span", { class: "value" }, percent(p)));
      }),
    ),
  );
}

function share(explained: number | null): HTMLElement {
  if (explained === null) return h("p", {}, "share of errors unknown");
  const w = 180;
  const rest = Math.max(0, Math.min(1, 1 - explained)) * w;
  return h(
    "div",
    { class: "share" },
    h(
      "p",
      {},
      "features carry ",
      h("b", {}, percent(explained)),
      " of the effect, ",
      h("span", { class: "errors" }, "errors ", h("b", {}, percent(1 - explained))),
    ),
    svg(
      "svg",
      { viewBox: `0 0 ${w} 6`, role: "img", "aria-label": `errors carry ${percent(1 - explained)}`, preserveAspectRatio: "none" },
      svg("rect", { class: "carried", width: w - rest, height: 6 }),
      svg("rect", { class: "missed", x: w - rest, width: rest, height: 6 }),
    ),
  );
}

function drawn(page: PageData): string {
  const [nodes, edges] = [page.nodes.length - 1, page.edges.eff.length];
  const { component } = page.run;
  const counts = `${nodes.toLocaleString("en-US")} and ${edges.toLocaleString("en-US")}`;
  if (component !== null) return `; drawn is separate circuit ${component}: ${count(nodes, "node")}, ${count(edges, "edge")}`;
  if (nodes >= page.run.kept && edges >= page.run.storedEdges) return "";
  return `; drawn are the strongest ${counts}`;
}

function about({ run }: PageData): HTMLElement {
  const pairs: Pair[] = [["model", run.model], ...run.options, ["finished", run.finished ?? ""], ["version", run.version]];
  return h(
    "details",
    { id: "about" },
    h("summary", {}, "How it was made"),
    h(
      "dl",
      {},
      ...pairs.filter(p => p[1] !== "").map(([name, value]) => h("div", {}, h("dt", {}, plain(name)), h("dd", {}, plain(value)))),
    ),
    run.command === null ? null : command(run.command),
  );
}

function command(line: string): HTMLElement {
  const code = h("code", { id: "command" }, plain(line));
  const copy = h("button", { type: "button", id: "copy" }, "Copy");
  copy.addEventListener("click", async () => {
    copy.textContent = (await copied(line, code)) ? "Copied" : "Selected";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  });
  return h("div", { class: "command" }, code, copy);
}

async function copied(text: string, shown: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // a page from disk may not be let near the clipboard: select it, so that Ctrl+C does it
    getSelection()?.selectAllChildren(shown);
    return false;
  }
}
