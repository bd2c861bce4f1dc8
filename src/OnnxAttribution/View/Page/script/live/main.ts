import { choose, chosen, graph, store, word } from "../main";
import { byId, h, plain } from "../text";
import { readLive } from "./contract";
import { Engine } from "./engine";
import { Pane } from "./pane";

const live = readLive();
// where there is little room the graph is what is seen first
const isWide = innerWidth > 900 && innerHeight >= 850;
byId("trust").before(
  h(
    "details",
    { id: "live", open: isWide },
    h("summary", {}, "Recompute: the model runs in this page"),
    h("p", { id: "live-wait" }, "reading the model…"),
  ),
);
// the graph is painted first
setTimeout(() => {
  const wait = byId("live-wait");
  Engine.open(live, words => (wait.textContent = words))
    .then(engine => {
      wait.remove();
      new Pane(live, { graph, store, chosen, choose, word }, engine);
    })
    .catch((error: unknown) => {
      wait.textContent = `the model could not be opened: ${plain(String(error))}${needs(live.weightBytes)}`;
      document.documentElement.dataset.live = "failed";
    });
}, 0);

/** What a browser needs, where it has failed: measured, seven times the weights at most while they are read. */
const needs = (bytes: number): string =>
  bytes < 100e6
    ? ""
    : `. Its weights have ${(bytes / 1e9).toFixed(1)} GB: a tab needs about ${Math.ceil((7 * bytes) / 1e9)} GB of memory for a while.`;
