"""OnnxAttribution from Python: starts the command onnx-attribution, and reads what it leaves.

    import onnx_attribution as oa
    run = oa.graph("models/tiny", "Copyright (C", target=")", out="runs/copyright", force=True)
    run                     # in a notebook: the page
    run.nodes               # a data frame

Needs the standard library only; pandas for data frames, duckdb or pyarrow to read Parquet without the command.
"""

import html
import json
import os
import pathlib
import warnings

from ._command import AttributionError, call, call_json
from ._frames import frame, parquet, query

__all__ = ["AttributionError", "Batch", "Comparison", "Dataset", "Run", "batch", "call", "call_json", "compare", "dataset", "features",
           "graph", "query"]

HEIGHT = 640
# links open pages of their own, which are not bound by this
SANDBOX = "allow-scripts allow-downloads allow-popups allow-popups-to-escape-sandbox"
EVERYTHING = 2**31 - 1


class _Directory:
    """What the command has written into a directory."""

    record_file = "run.json"

    def __init__(self, path):
        self.path = pathlib.Path(path)
        if not (self.path / self.record_file).is_file():
            raise FileNotFoundError(f"{self.path} has no {self.record_file}, so it is no finished {type(self).__name__.lower()}")

    def __fspath__(self):
        return str(self.path)

    def __repr__(self):
        return f"{type(self).__name__}({str(self.path)!r})"

    @property
    def record(self):
        """What was asked, and what came out, as a dict."""
        return json.loads((self.path / self.record_file).read_text("utf-8"))

    def query(self, sql):
        """Rows that SQL selects of it, as a data frame."""
        return query(self.path, sql)


class Run(_Directory):
    """A finished run: one prompt's graph, or the mean of many."""

    @property
    def nodes(self):
        """nodes.parquet as a data frame."""
        return self.table("nodes")

    @property
    def edges(self):
        """edges.parquet as a data frame."""
        return self.table("edges")

    def table(self, name):
        """A table of the run, by its name, as a data frame."""
        frame = parquet(self.path / f"{name}.parquet")
        return self.query(f'SELECT * EXCLUDE (run) FROM "{name}"') if frame is None else frame

    @property
    def features(self):
        """What the model's dashboards say of its features, where the bundle has them."""
        return self.query("SELECT DISTINCT f.* FROM features f JOIN nodes n ON n.site = f.site AND n.feature = f.feature WHERE n.kept")

    def view(self, out, **options):
        """Draws the run into a file, whose ending is the format; options are those of `view`. Returns the path."""
        call("view", self.path, out=out, **options)
        return pathlib.Path(out)

    def networkx(self):
        """The kept nodes and their edges as a networkx.DiGraph; a node is (site, position, feature), the metric "metric"."""
        import networkx
        result = networkx.DiGraph()
        for n in _rows(self.nodes):
            if n["kept"]:
                result.add_node((n["site"], n["position"], n["feature"]), **n)
        for e in _rows(self.edges):
            if e["down_feature"] == -2:
                continue
            up = (e["up_site"], e["up_position"], e["up_feature"])
            down = "metric" if e["down_site"] == "metric" else (e["down_site"], e["down_position"], e["down_feature"])
            result.add_edge(up, down, effect=e["effect"])
        return result

    def _repr_html_(self):
        """The page, in a frame that may run its own script and save files, and nothing else."""
        page = self.path / "graph.html"
        if not page.is_file():
            call("view", self.path, progress=None)
        return _frame_of(page)


class Batch:
    """A run for each of many prompts, and the graph that they merge to."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.merged = Run(self.path / "merged" / "mean")

    def __fspath__(self):
        return str(self.path)

    def __repr__(self):
        return f"Batch({str(self.path)!r})"

    @property
    def runs(self):
        """Its runs by the prompts' ids, in their order; one that is not there any more is left out, with a warning."""
        found = {}
        for name in self.merged.record["ids"]:
            try:
                found[name] = Run(self.path / name)
            except FileNotFoundError as fault:
                warnings.warn(f"{name} is left out: {fault}", stacklevel=2)
        return found

    def query(self, sql):
        """Rows that SQL selects of all its runs, as a data frame; the column `run` says of which."""
        runs = list(self.runs.values())
        if not runs:
            raise FileNotFoundError(f"{self.path} has none of its runs any more; query its merged graph, {self.merged.path}")
        return query(runs, sql)

    def _repr_html_(self):
        """The index: a row a prompt, and the merged graph's picture."""
        page = self.path / "index.html"
        if not page.is_file():
            call("view", self.path, progress=None)
        return _frame_of(page)


class Dataset(_Directory):
    """The graphs of many prompts, and their mean."""

    record_file = "dataset.json"

    @property
    def mean(self):
        """The mean of its graphs, a Run."""
        return Run(self.path / "mean")

    @property
    def prompts(self):
        """A row for each prompt."""
        return self.query("SELECT * FROM prompts")


class Comparison:
    """Two runs side by side."""

    def __init__(self, result):
        self.summary = {name: value for name, value in result.items() if not name.startswith("strongest_")}
        self._result = result

    def __repr__(self):
        nodes, edges = self.summary["nodes"], self.summary["edges"]
        return f"Comparison({self.summary['a']['run']!r}, {self.summary['b']['run']!r}: nodes {nodes}, edges {edges})"

    @property
    def nodes(self):
        """Every node of either graph with its effects in both, as a data frame; `presence` is both, opposite, a or b."""
        return frame(self._result["strongest_nodes"])

    @property
    def edges(self):
        """Likewise every edge; ends have columns of their own, such as up_site."""
        return frame([
            {**{f"{end}_{name}": value for end in ("up", "down") for name, value in edge[end].items()},
             **{name: value for name, value in edge.items() if name not in ("up", "down")}}
            for edge in self._result["strongest_edges"]])


def graph(model, prompt, out, **options):
    """Draws the graph of one prompt and returns the Run; options are those of `graph`, such as target=")" or edges="exact"."""
    call("graph", model=model, prompt=prompt, out=out, **options)
    return Run(out)


def dataset(model, prompts, out, **options):
    """Draws the graphs of many prompts and returns the Dataset. prompts: a file that --prompts takes, or dicts with "prompt" and
    optionally "target", "foil", "id", "label"."""
    call("graph", model=model, prompts=_file(prompts, out), out=out, **options)
    return Dataset(out)


def batch(model, prompts, out, **options):
    """Draws a run for each of some prompts, which are to be looked at, and returns the Batch. prompts: as of `dataset`."""
    call("graph", model=model, prompts=_file(prompts, out), out=out, directories=True, **options)
    return Batch(out)


def features(model, text, **options):
    """Reads a text for what makes each feature active, into the bundle's features.parquet."""
    return call("features", model=model, text=text, **options)


def compare(run_a, run_b, **options):
    """Two runs side by side, as a Comparison; options are those of `compare`, such as align="feature", or out="runs/compared"."""
    return Comparison(call_json("compare", os.fspath(run_a), os.fspath(run_b), top=EVERYTHING, progress=None, **options))


def _frame_of(page):
    text = html.escape(page.read_text("utf-8"), quote=True)
    return f'<iframe sandbox="{SANDBOX}" style="width:100%;height:{HEIGHT}px;border:0" srcdoc="{text}"></iframe>'


def _file(prompts, out):
    if isinstance(prompts, (str, os.PathLike)):
        return prompts
    file = pathlib.Path(f"{out}.prompts.jsonl")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts), "utf-8")
    return file


def _rows(frame):
    return frame if isinstance(frame, list) else frame.to_dict("records")
