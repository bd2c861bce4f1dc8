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
  Engine.open(live)
    .then(engine => {
      byId("live-wait").remove();
      new Pane(live, { graph, store, chosen, choose, word }, engine);
    })
    .catch((error: unknown) => {
      byId("live-wait").textContent = `the model could not be opened: ${plain(String(error))}`;
      document.documentElement.dataset.live = "failed";
    });
}, 0);
