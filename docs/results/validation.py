#!/usr/bin/env python3
"""Writes docs/results/validation.md: how far each estimator is from real interventions, over held-out prompts, on an embedded model.

    make validation          # build, then this script with its defaults; about half an hour on two quiet cores

Needs the built program and nothing but Python's standard library. Every figure of the page is a query over the Parquet that
`graph` and `validate` write, and the queries are below.

Steps:
1. `graph` draws every prompt of docs/results/validation-prompts.jsonl (logit difference of the true next token and the model's
   best other one).
2. `validate --compare gradient,ig,…` (ESTIMATORS below) checks each graph against real interventions: nodes patched, edges followed
   through their segment.
3. The same prompts are drawn again with their strongest nodes really patched and exact edges (`--refine N --edges exact`), and all
   that once more as patch pairs: the patch prompt is the next held-out prompt of as many tokens.
4. All nodes are really run K blocks deep (`--exact-depth K`), and really patched (`--method exact`).
5. `ablate --up --down` follows edges that are far off, and as many that are right, through their whole range: does a head turn,
   does a feature switch?
6. `OnnxAttribution.Bench --coverage` checks the bounds of `graph --certify` on random graphs in which everything is measured.
7. SQL over all runs becomes the page's tables; what validate found of cost and recall becomes a table and a figure beside the page.
"""
import argparse
import csv
import datetime
import hashlib
import io
import json
import math
import os
import shlex
import shutil
import subprocess
import sys

ESTIMATORS = ["gradient", "ig", "relp", "frozen", "gim", "atpstar"]
NAMES = {"gradient": "gradient", "ig": "IG(10)", "relp": "RelP", "frozen": "frozen", "gim": "GIM", "atpstar": "AtP*"}
COLOURS = ["#4477aa", "#cc6633", "#228866", "#aa3377", "#8a7a2f", "#1b1f24", "#7d8590", "#66ccee"]

# What all tables are made from: one row per check and estimator. An edge is judged by the change of the downstream activation,
# which no estimator's own gradient enters.
CHECKS = """
WITH checks AS (
  SELECT v.run, v."check" AS what, v.stratum, v.estimator, v.up_feature = -1 AS is_error,
    CASE WHEN v.up_site LIKE '%attn_out' THEN 'attn' WHEN v.up_site LIKE '%mlp_out' THEN 'mlp' ELSE 'resid' END AS up_kind,
    CASE WHEN v.down_site LIKE '%attn_out' THEN 'attn' WHEN v.down_site LIKE '%mlp_out' THEN 'mlp'
         WHEN v.down_site = 'metric' THEN 'metric' ELSE 'resid' END AS down_kind,
    regexp_extract(v.up_site, 'blocks\\.(\\d+)', 1)::INTEGER AS layer,
    v.down_site, v.down_position, v.down_feature, v.up_site, v.up_position, v.up_feature,
    v.approx_effect, v.exact_effect, v.approx_change, v.exact_change,
    CASE WHEN v."check" = 'node' THEN v.approx_effect ELSE v.approx_change END::DOUBLE AS approx,
    CASE WHEN v."check" = 'node' THEN v.exact_effect ELSE v.exact_change END::DOUBLE AS exact
  FROM validation v)
"""


class Program:
    """The command line, with SQL over the runs."""

    def __init__(self, cli, model, runs):
        self.cli, self.model, self.runs = shlex.split(cli), model, runs

    def run(self, *args, check=True):
        done = subprocess.run([*self.cli, *args], capture_output=True, text=True)
        if check and done.returncode != 0:
            sys.exit(f"{' '.join(args)}: exit code {done.returncode}: {done.stderr.strip()}")
        return done

    def rows(self, sql, *others):
        """The rows of a query over these runs and those of other folders."""
        return list(csv.DictReader(io.StringIO(self.run("query", self.runs, *others, sql, "--format", "csv").stdout)))


# ---------------------------------------------------------------- tables

def number(text, digits=2):
    return "–" if text in ("", "NULL", "nan", None) else f"{float(text):.{digits}f}"


def percent(key, digits=0):
    """A column's value from a row: a share, as a percentage."""
    return lambda r: f"{100 * float(r[key] or 0):.{digits}f} %"


def table(rows, first, columns):
    """Markdown: one line per row; columns: (heading, function of the row)."""
    head = "| " + " | ".join([first[0], *(h for h, _ in columns)]) + " |"
    line = "|---" + "|---:" * len(columns) + "|"
    return "\n".join([head, line, *("| " + " | ".join([str(first[1](r)), *(str(f(r)) for _, f in columns)]) + " |" for r in rows)])


def agreement(program, where, group, least=8):
    """Per group and estimator: Pearson and Spearman per prompt, then their mean; sign agreement and count over all prompts."""
    sql = f"""{CHECKS},
      chosen AS (SELECT *, {group} AS g FROM checks WHERE {where} AND approx IS NOT NULL AND exact IS NOT NULL),
      ranked AS (
        SELECT *, rank() OVER (PARTITION BY run, estimator, g ORDER BY approx) AS ra,
          rank() OVER (PARTITION BY run, estimator, g ORDER BY exact) AS re
        FROM chosen),
      per_run AS (
        SELECT run, estimator, g, count(*) AS n, corr(approx, exact) AS pearson, corr(ra, re) AS spearman
        FROM ranked GROUP BY ALL HAVING count(*) >= {least}),
      signs AS (
        SELECT estimator, g, count(*) AS checks, avg((sign(approx) = sign(exact))::INTEGER) AS same,
          median(abs(approx - exact) / abs(exact)) AS off
        FROM chosen WHERE exact <> 0 GROUP BY ALL)
      SELECT s.g, s.estimator, s.checks, s.same, s.off, avg(p.pearson) AS pearson, stddev_samp(p.pearson) AS spread,
        avg(p.spearman) AS spearman, count(p.run) AS prompts
      FROM signs s LEFT JOIN (SELECT * FROM per_run WHERE isfinite(pearson)) p ON p.estimator = s.estimator AND p.g = s.g
      GROUP BY ALL ORDER BY s.g, s.estimator"""
    found = {}
    for r in program.rows(sql):
        found.setdefault(r["g"], {})[r["estimator"]] = r
    return found


def side_by_side(found, heading):
    """A line per group, Pearson and Spearman of every estimator."""
    columns = [(f"{NAMES[e]} r / ρ", lambda r, e=e: " / ".join(number(r[1].get(e, {}).get(k)) for k in ("pearson", "spearman")))
               for e in ESTIMATORS]
    columns.append(("checks", lambda r: f"{int(next(iter(r[1].values()))['checks']):,}"))
    # layer 10 behind layer 9
    rows = sorted(found.items(), key=lambda r: (len(r[0]) if r[0].startswith("layer") else 0, r[0]))
    return table(rows, (heading, lambda r: r[0]), columns)


def whole(program, what, estimators=ESTIMATORS):
    """All checks of a kind: a line per estimator."""
    found = agreement(program, f"what = '{what}'", "'all'")["all"]
    return table([found[e] for e in estimators], ("estimator", lambda r: NAMES[r["estimator"]]), [
        ("Pearson (± between prompts)", lambda r: f"{number(r['pearson'])} ± {number(r['spread'])}"),
        ("Spearman", lambda r: number(r["spearman"])), ("sign", percent("same")), ("median error", percent("off", 1)),
        ("checks", lambda r: f"{int(r['checks']):,}")])


# ---------------------------------------------------------------- by depth, and refined

def levels(program, refined):
    """Node effects by how deep nodes are really run, and with the strongest really patched: a line each."""
    found = agreement(program, "what = 'node'", "'all'")["all"]
    rows = [found[e] for e in sorted(found) if e == "gradient" or e.startswith("depth-")]
    rows.sort(key=lambda r: (r["estimator"] != "gradient", r["estimator"]))
    for name, runs in refined.items():
        own = agreement(runs, "what = 'node' AND estimator LIKE '%-refined%'", "'all'")["all"]
        rows += [{**r, "estimator": name} for r in own.values()]
    return table(rows, ("node effects", lambda r: r["estimator"]), [
        ("Pearson (± between prompts)", lambda r: f"{number(r['pearson'], 3)} ± {number(r['spread'], 3)}"),
        ("Spearman", lambda r: number(r["spearman"])), ("sign", percent("same", 1)), ("median error", percent("off", 1)),
        ("checks", lambda r: f"{int(r['checks']):,}")])


def everything(batches, exact):
    """Every node of every graph beside the same node really patched: a line per batch, means over prompts."""
    folders = [runs.runs for runs in batches.values()]
    sql = f"""
      WITH n AS (
        SELECT regexp_extract(run, '([^/]+)/[^/]+$', 1) AS batch, regexp_extract(run, '[^/]+$') AS id, site, position, feature, kept,
          effect, 2 * effect_error > abs(effect) AS marked
        FROM nodes),
      both_ AS (
        SELECT a.batch, a.id, a.kept, a.marked, a.effect AS approx, e.effect AS exact, sign(a.effect) <> sign(e.effect) AS wrong
        FROM n a JOIN n e USING (id, site, position, feature)
        WHERE e.batch = '{os.path.basename(exact.runs)}' AND a.batch <> e.batch AND e.effect <> 0),
      per_prompt AS (
        SELECT batch, id, corr(approx, exact) AS r, corr(approx, exact) FILTER (WHERE kept) AS kept_r FROM both_ GROUP BY ALL),
      means AS (
        SELECT batch, avg(r) AS r, stddev_samp(r) AS spread, avg(kept_r) AS kept_r FROM per_prompt WHERE isfinite(r) GROUP BY ALL)
      SELECT batch, any_value(m.r) AS r, any_value(m.spread) AS spread, any_value(m.kept_r) AS kept_r, count(*) AS nodes,
        avg((NOT wrong)::INTEGER) AS same, avg((NOT wrong)::INTEGER) FILTER (WHERE kept) AS kept_same,
        avg(marked::INTEGER) AS marked, sum((wrong AND marked)::INTEGER) / nullif(sum(wrong::INTEGER), 0) AS caught
      FROM both_ JOIN means m USING (batch) GROUP BY batch"""
    found = {r["batch"]: r for r in exact.rows(sql, *folders)}
    passes = {name: runs.rows("SELECT avg(effect_passes) AS passes FROM runs")[0] for name, runs in batches.items()}
    return {name: {**found[os.path.basename(runs.runs)], **passes[name]} for name, runs in batches.items()}


def everything_table(found):
    mark = lambda key: lambda r: percent(key, 1)(r[1]) if "refined" in r[0] else "–"
    return table(list(found.items()), ("graphs", lambda r: r[0]), [
        ("Pearson (± between prompts)", lambda r: f"{number(r[1]['r'], 3)} ± {number(r[1]['spread'], 3)}"),
        ("of kept nodes", lambda r: number(r[1]["kept_r"], 3)), ("sign", lambda r: percent("same", 1)(r[1])),
        ("of kept nodes", lambda r: percent("kept_same", 1)(r[1])), ("nodes marked", mark("marked")),
        ("wrong signs marked", mark("caught")), ("nodes", lambda r: f"{int(r[1]['nodes']):,}"),
        ("passes", lambda r: number(r[1]["passes"], 1))])


def by_depth_and_patched(depths, exact, plain, counts):
    """Every node by how deep nodes are really run and how many of the strongest are really patched then: a line per depth, and a
    line of what it costs."""
    folders = [runs.runs for runs in depths.values()]
    sql = f"""
      WITH n AS (
        SELECT regexp_extract(run, '([^/]+)/[^/]+$', 1) AS batch, regexp_extract(run, '[^/]+$') AS id, site, position, feature, effect
        FROM nodes),
      both_ AS (
        SELECT a.batch, a.id, a.effect AS approx, e.effect AS exact,
          row_number() OVER (PARTITION BY a.batch, a.id ORDER BY abs(a.effect) DESC, a.site, a.position, a.feature) AS place
        FROM n a JOIN n e USING (id, site, position, feature)
        WHERE e.batch = '{os.path.basename(exact.runs)}' AND a.batch <> e.batch AND e.effect <> 0),
      patched AS (SELECT unnest({list(counts)}) AS patched),
      told AS (SELECT batch, id, patched, CASE WHEN place <= patched THEN exact ELSE approx END AS approx, exact FROM both_, patched),
      per_prompt AS (
        SELECT batch, id, patched, corr(approx, exact) AS r, avg((sign(approx) = sign(exact))::INTEGER) AS same FROM told GROUP BY ALL)
      SELECT batch, patched, avg(r) AS r, avg(same) AS same FROM per_prompt WHERE isfinite(r) GROUP BY ALL"""
    found = {(r["batch"], int(r["patched"])): r for r in exact.rows(sql, *folders)}
    cost = "SELECT avg(effect_passes) AS passes, avg(operations) AS operations, avg(nodes) AS nodes FROM runs"
    whole_, graph = ({k: float(v) for k, v in runs.rows(cost)[0].items()} for runs in (exact, plain))
    # both draw the same edges; a node that is really patched costs what the mean node of `--method exact` does
    one_pass = (whole_["operations"] - graph["operations"]) / (whole_["passes"] - graph["passes"])
    one_node = whole_["passes"] / whole_["nodes"]
    lines, prices = [], []
    for depth, runs in depths.items():
        name, own = os.path.basename(runs.runs), float(runs.rows(cost)[0]["passes"])
        lines.append((depth, {n: found[name, n] for n in counts}))
        passes = {n: own + n * one_node for n in counts}
        prices.append((depth, {n: (p, 1 + (p - graph["passes"]) * one_pass / graph["operations"]) for n, p in passes.items()}))
    cell = lambda n: lambda r: f"{number(r[1][n]['r'], 3)} ({100 * float(r[1][n]['same']):.1f} %)"
    price = lambda n: lambda r: f"{r[1][n][0]:.1f} ({r[1][n][1]:.2f} ×)"
    heads = [f"{n} patched" for n in counts]
    cells = [(f"{depth} with {n} patched", {**row[n], "passes": price[n][0]})
             for (depth, row), (_, price) in zip(lines, prices) for n in counts]
    return (cells, table(lines, ("Pearson (sign)", lambda r: r[0]), [(h, cell(n)) for h, n in zip(heads, counts)]),
            table(prices, ("passes (operations of the graph)", lambda r: r[0]), [(h, price(n)) for h, n in zip(heads, counts)]))


def reaching(every, cells):
    """What the fewest passes are that reach an aim over all nodes, among the graphs and the cells of the table by depth."""
    ways = [(f"**{name}**", r) for name, r in every.items() if "patch" not in name] + cells
    words = []
    for key, least, aim in (("r", 0.95, "Pearson 0.95"), ("same", 0.99, "a sign that is right in 99 %")):
        good = [w for w in ways if float(w[1][key]) >= least]
        name, row = min(good, key=lambda w: float(w[1]["passes"])) if good else (None, None)
        words.append(f"{aim} takes {number(row['passes'], 0)} passes ({name})" if name else f"{aim} is reached by none of these")
    return f"Of all these ways the cheapest ones that reach what was aimed at over all nodes:\n{'; '.join(words)}."


def reached(batches, every):
    """What was aimed at, and what each way of drawing a graph reaches: a line per batch, the aim first."""
    rows = [("aimed at", "≥ 0.95", "≥ 99 %", "≥ 0.95", "≥ 0.99", "≥ 0.95", "≤ 10 %", "≥ 90 %")]
    for name, runs in batches.items():
        def of(where):
            found = agreement(runs, f"{where} AND (estimator = 'gradient' OR estimator LIKE '%-refined%')", "'all'")["all"]
            return next(iter(found.values()))
        node, whole_, is_refined = of("what = 'node'"), every[name], "refined" in name
        into_attention = number(of("what = 'edge' AND down_kind = 'attn'")["pearson"], 3) if "attn" in kinds_of(runs) else "–"
        rows.append((name, number(node["pearson"], 3), percent("same", 1)(node), number(whole_["r"], 3),
                     number(of("what = 'edge'")["pearson"], 3), into_attention,
                     *(percent(k, 1)(whole_) if is_refined else "–" for k in ("marked", "caught"))))
    at = lambda i: lambda r: r[i]
    return table(rows, ("graphs", at(0)), [
        ("nodes r", at(1)), ("nodes' sign", at(2)), ("all nodes r", at(3)), ("edges r", at(4)), ("into attention r", at(5)),
        ("nodes marked", at(6)), ("wrong signs marked", at(7))])


def kinds_of(runs):
    return {r["down_kind"] for r in runs.rows(f"{CHECKS} SELECT DISTINCT down_kind FROM checks WHERE what = 'edge'")}


# ---------------------------------------------------------------- why

def switching(program):
    """Edges by whether the downstream feature switches off, switches on, or stays active while the upstream node is patched."""
    sql = f"""{CHECKS},
      told AS (
        SELECT CASE WHEN n.activation <= 0 THEN 'switches on' WHEN n.activation + c.exact <= 1e-6 * n.activation THEN 'switches off'
          ELSE 'stays active' END AS g, c.approx, c.exact
        FROM checks c
        JOIN nodes n ON n.run = c.run AND n.site = c.down_site AND n.position = c.down_position AND n.feature = c.down_feature
        WHERE what = 'edge' AND c.estimator = 'gradient' AND c.down_feature >= 0 AND c.up_feature >= 0
          AND c.exact IS NOT NULL AND c.approx IS NOT NULL)
      SELECT g, count(*) AS checks, corr(approx, exact) AS r, median(abs(approx - exact) / nullif(abs(exact), 0)) AS off,
        sum(abs(approx - exact)) / (SELECT sum(abs(approx - exact)) FROM told) AS share
      FROM told GROUP BY g ORDER BY g"""
    return table(program.rows(sql), ("the downstream feature", lambda r: r["g"]), [
        ("edges", lambda r: f"{int(r['checks']):,}"), ("Pearson", lambda r: number(r["r"])), ("median error", percent("off", 1)),
        ("share of all that is wrong", percent("share"))])


def by_size(program):
    """Node effects by how much of its site a node is: the larger the step, the worse a straight line."""
    sql = f"""{CHECKS},
      sized AS (
        SELECT c.*, ntile(4) OVER (
          PARTITION BY c.run, c.up_kind, c.estimator ORDER BY abs(n.activation - n.patch_activation)) AS quarter
        FROM checks c JOIN nodes n ON n.run = c.run AND n.site = c.up_site AND n.position = c.up_position AND n.feature = c.up_feature
        WHERE what = 'node' AND NOT is_error)
      SELECT quarter AS g, estimator, count(*) AS checks, corr(approx, exact) AS r,
        avg((sign(approx) = sign(exact))::INTEGER) AS same, median(abs(approx - exact) / nullif(abs(exact), 0)) AS off
      FROM sized GROUP BY ALL ORDER BY ALL"""
    found = {}
    for r in program.rows(sql):
        found.setdefault(r["g"], {})[r["estimator"]] = r
    words = {"1": "smallest quarter", "2": "second", "3": "third", "4": "largest quarter"}
    return table(list(found.items()), ("change of activation", lambda r: words[r[0]]), [
        *((NAMES[e], lambda r, e=e: f"{percent('same')(r[1][e])} ({percent('off')(r[1][e])})") for e in ESTIMATORS)])


def shapes(program):
    """Edges between features, gradient, by what lies between: right, too small, too large, or of the wrong sign."""
    sql = f"""{CHECKS},
      told AS (
        SELECT up_kind || ' → ' || down_kind AS g, approx, exact FROM checks
        WHERE what = 'edge' AND estimator = 'gradient' AND up_feature >= 0 AND down_feature >= 0 AND approx IS NOT NULL AND exact <> 0)
      SELECT g, count(*) AS checks, avg((abs(approx - exact) <= 0.1 * abs(exact))::INTEGER) AS right_,
        avg((sign(approx) = sign(exact) AND abs(approx) < 0.5 * abs(exact))::INTEGER) AS small,
        avg((sign(approx) = sign(exact) AND abs(approx) > 2 * abs(exact))::INTEGER) AS large,
        avg((sign(approx) <> sign(exact))::INTEGER) AS wrong,
        sum(abs(approx - exact)) / (SELECT sum(abs(approx - exact)) FROM told) AS share
      FROM told GROUP BY g ORDER BY share DESC"""
    return table(program.rows(sql), ("edges", lambda r: r["g"]), [
        ("checks", lambda r: f"{int(r['checks']):,}"), ("within a tenth", percent("right_")), ("less than half", percent("small")),
        ("more than twice", percent("large")), ("wrong sign", percent("wrong")), ("share of all that is wrong", percent("share"))])


def diagnose(program, prompts, count):
    """Follows edges into attention through their range, some that are far off and some that are right, and counts what bends."""
    sql = f"""{CHECKS}
      SELECT *, abs(approx - exact) / greatest(abs(approx), abs(exact)) AS off FROM checks
      WHERE what = 'edge' AND estimator = 'gradient' AND down_kind = 'attn' AND up_kind = 'resid'
        AND up_feature >= 0 AND down_feature >= 0 AND abs(exact) + abs(approx) > 0.05"""
    rows = program.rows(sql)
    # a random order that is the same every time
    shuffled = sorted(rows, key=lambda r: hashlib.sha256(json.dumps(r).encode()).hexdigest())
    worst = [r for r in shuffled if float(r["off"]) > 0.5][:count]
    right = [r for r in shuffled if float(r["off"]) < 0.1][:count]
    lines = []
    for name, chosen in (("more than half off", worst), ("within a tenth", right)):
        turned = switched = neither = followed = 0
        for r in chosen:
            task = prompts[r["run"]]
            feature = lambda side: f"{r[side + '_site']}:{r[side + '_feature']}" + (f"@{r['up_position']}" if side == "up" else "")
            done = program.run("ablate", "--model", program.model, "--prompt", task["prompt"], "--up", feature("up"),
                               "--down", feature("down"), "--position", r["down_position"], "--coefficients", "0..1:0.05", "--json",
                               check=False)
            if done.returncode != 0:
                print(f"  {r['run']}: {done.stderr.strip()}", file=sys.stderr)
                continue
            causes = {b["cause"] for b in json.loads(done.stdout)["bends"]}
            followed += 1
            head, feature_switch = "attention" in causes, any(c.startswith("switches") for c in causes)
            turned += head
            switched += feature_switch
            neither += not head and not feature_switch
        if followed:
            lines.append((name, followed, turned, switched, neither))
    share = lambda i: lambda r: f"{100 * r[i] / r[1]:.0f} %"
    return table(lines, ("edges into attention", lambda r: r[0]), [
        ("followed", lambda r: r[1]), ("a head's strongest key changes", share(2)), ("the downstream feature switches", share(3)),
        ("neither", share(4))])


# ---------------------------------------------------------------- cost and recall

def costs(runs, names):
    """Per estimator what `validate` found of each prompt: passes of the estimate, and after how many patched nodes each of the
    strongest is found."""
    found = {e: [] for e in ESTIMATORS}
    for name in names:
        with open(os.path.join(runs, name, "run.json"), encoding="utf-8") as f:
            for c in json.load(f)["validation"]["cost_recall"]:
                if c["estimator"] in found and c["passes"] is not None and c["ranks"]:
                    found[c["estimator"]].append(c)
    return {e: c for e, c in found.items() if c}


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def share_found(cost, patched):
    return sum(r <= patched for r in cost["ranks"]) / len(cost["ranks"])


def passes_for(cost, share):
    return cost["passes"] + cost["ranks"][max(0, math.ceil(share * len(cost["ranks"])) - 1)]


def cost_table(found):
    """A line per estimator, means over prompts."""
    columns = [("passes", lambda r: number(mean(c["passes"] for c in r[1]), 1))]
    columns += [(f"found in {n}", lambda r, n=n: f"{100 * mean(share_found(c, n) for c in r[1]):.0f} %") for n in (50, 75, 100)]
    columns += [(f"passes for {100 * s:.0f} %", lambda r, s=s: number(mean(passes_for(c, s) for c in r[1]), 0)) for s in (0.8, 0.9, 1)]
    return table(list(found.items()), ("estimator", lambda r: NAMES[r[0]]), columns)


def cost_figure(found, checked):
    """Mean share found against forward passes, a line per estimator, as SVG."""
    left, top, width, height, most = 64, 24, 600, 320, max(c["passes"] for e in found.values() for c in e) + checked
    x = lambda passes: left + width * math.log1p(passes) / math.log1p(most)
    y = lambda share: top + height * (1 - share)
    text = lambda at, words, more="": f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" font-size="12" fill="#57606a"{more}>\n{words}</text>'
    line = lambda points, colour, more="": (f'<path fill="none" stroke="{colour}" stroke-width="2"{more} d="\nM'
                                            + "".join(("L" if i else "") + f"{px:.1f} {py:.1f}" + ("\n" if i % 8 == 7 else "")
                                                      for i, (px, py) in enumerate(points)) + '"/>')
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 20} {top + height + 100}" font-family="sans-serif">',
             f'<rect width="{left + width + 20}" height="{top + height + 100}" fill="#ffffff"/>']
    ticks = [t for t in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if t <= most]
    for t in ticks:
        parts += [line([(x(t), top), (x(t), top + height)], "#d8dee4"), text((x(t), top + height + 16), t, ' text-anchor="middle"')]
    for share in (0, 0.2, 0.4, 0.6, 0.8, 1):
        parts += [line([(left, y(share)), (left + width, y(share))], "#d8dee4"),
                  text((left - 6, y(share) + 4), f"{100 * share:.0f} %", ' text-anchor="end"')]
    random_order = [(x(checked * i / 40), y(i / 40)) for i in range(41)]
    parts.append(line(random_order, "#7d8590", ' stroke-dasharray="2 3"'))
    for i, (estimator, prompts) in enumerate(found.items()):
        begin, colour = mean(c["passes"] for c in prompts), COLOURS[i % len(COLOURS)]
        points = [(x(begin + n), y(mean(share_found(c, n) for c in prompts))) for n in range(checked + 1)]
        parts += [line(points, colour), line([(left + 90 * i, top + height + 66), (left + 90 * i + 20, top + height + 66)], colour),
                  text((left + 90 * i + 25, top + height + 70), NAMES[estimator])]
    parts += [text((left + width / 2, top + height + 38), "forward passes (log scale): the estimate, then one for each patched node",
                   ' text-anchor="middle"'),
              text((left, top + height + 90), "dotted: nodes patched in random order"), "</svg>"]
    return "\n".join(parts) + "\n"


# ---------------------------------------------------------------- certificates

def coverage(bench, graphs):
    """What the benchmark program found of random graphs in which everything is measured."""
    done = subprocess.run([*shlex.split(bench), "--coverage", str(graphs), "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{bench} --coverage: exit code {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def certificates(found):
    """How often each bound of a certificate held."""
    rows = [("no dropped node is larger than the bound", "largest_node"), ("dropped nodes above the threshold", "nodes_above"),
            ("dropped nodes larger than the largest measured", "nodes_larger"), ("both shares of nodes", "nodes_both"),
            ("dropped edges above the threshold", "edges_above"), ("dropped edges larger than the largest measured", "edges_larger"),
            ("both shares of edges", "edges_both")]
    held = [(words, found[key], found["graphs"]) for words, key in rows]
    held += [(f"the bound by subsets of density 1/{round(1 / s['density'])}", s["held"], s["graphs"]) for s in found["by_size"]]
    return table(held, ("bound", lambda r: r[0]), [
        ("held", lambda r: f"{r[1]:,} of {r[2]:,}"), ("share", lambda r: f"{100 * r[1] / r[2]:.1f} %")])


def certificate_section(found):
    return CERTIFICATES.format(certificates=certificates(found), graphs=found["graphs"], dropped=round(found["dropped"]),
                               rows=round(found["rows"]), tight=found["tightness"])


# ---------------------------------------------------------------- page

# for models whose attention sublayers have dictionaries
ATTENTION = """\
**Attention.** What moves an attention sublayer moves its patterns, and where a softmax gives nearly everything to one key its
gradient is nearly nothing, until the feature that holds it there is gone. Edges between features, gradient, by the sites they join;
*less than half* is what saturation looks like:

{shapes}

`ablate --up --down --coefficients 0..1:0.05` followed {followed} edges from the residual stream into attention through their whole
range, drawn at random from those that are more than half off, and {followed} from those that are within a tenth (features at both
ends, activations that move by 0.05 or more):

{diagnosis}

And `frozen`, which holds attention patterns fixed, has lost most of the order of these edges (ρ in the table *By kind of downstream
site*): it seems that on this model what attention writes depends on features mostly through where it looks.

"""

CERTIFICATES = """
## Certificates

[`graph --certify`](../guides/certify.md) bounds with 95 % confidence what a graph has left out. Over {graphs:,} graphs of random
models (three architectures, 2 blocks, 7 sites; {dropped:,} dropped nodes and {rows} rows at the median) all that was dropped was
measured too. [What each bound assumes](../explanation/certificate.md).

{certificates}

The bound on the largest node is {tight[1]:.1f} times the largest dropped |effect| at the median of the graphs, {tight[0]:.1f} at the
tenth percentile and {tight[2]:.1f} at the ninetieth.
"""

PAGE = """# How far to trust a graph: {model} over {prompts} held-out prompts

Made by `make validation` on {date} ({version}, ONNX Runtime {runtime}); nothing in the tables is typed by hand.
The prompts are [validation-prompts.jsonl](validation-prompts.jsonl) ([what they are](validation-prompts.md)); the model is the
embedded [{model}](../../{model}/README.md), a toy of {layers} layers with {sites} dictionaries: what holds here need not hold for a
larger model, and `validate` tells it for yours.

## In short

{reached}

*r*: Pearson with real interventions; *nodes* and *edges* are those of `validate`'s sample, edges by the change of the downstream
activation; *all nodes* are really patched one by one (`--method exact`); a node is *marked* where twice its `effect_error` is more
than its |effect|, of all nodes. **gradient**: attribution patching with Jacobian edges. **refined, N**: `graph --refine N --edges
exact`. {pairs}
The schedule of refinement was chosen on these prompts, so its figures are not held out.

## What is compared

For every prompt `graph` was drawn (metric `logit-diff`, the true next token over the model's best other one, zero ablation), and
`validate --compare {estimators} --sample {sample}` patched {nodes:,} nodes and followed {edges:,} edges for real.
**Nodes** are judged by the metric's change when the node alone is set to zero and everything after it is computed again.
**Edges** are judged by the downstream activation's change when the upstream node is set to zero and only the segment between the
two is computed again, every other site held fixed, so that no estimator's own gradient enters (edges into error nodes and into the
metric have no activation and are left out). r: Pearson, ρ: Spearman, both computed within each prompt and averaged over prompts
with at least 8 checks in the group; sign: how often approximate and exact have the same; median error:
|approximate − exact| / |exact|.

A third of the sample is the strongest by each graph's own effects, a third random among what the graph kept, a third random among
what it dropped: figures of the sample, not of all nodes.

- **gradient**: attribution patching alone, `graph --refine off`. **IG(10)**: integrated gradients, ten steps per site; its edges
  have the clean Jacobian, as gradient's have.
- **RelP**: LayerNorm's scale held fixed, GELU as gelu(x)/x. **frozen**: attention patterns and LayerNorm's scale held fixed.
- **GIM**: LayerNorm's scale held fixed, attention's softmax as if at temperature 2, products of two activations halved.
- **AtP\\***: attention computed again for what moves queries and keys, and a backward pass per block that drops its gradient; its
  edges are gradient's.

## Nodes

{nodes_all}

### By depth that is really run, and refined

**depth-K**: every node really moved, K blocks run, and the linear step taken only there. **refined, N**: the strongest nodes
really patched, N of them all the way and 8 N one block deep, each batch with a sample of its own.

{levels}

### All nodes

Every node, beside the same node of a graph with `--method exact`; *passes*: what node effects took, as operations of their matrix
products over those of one forward pass, means over prompts:

{everything}

### All nodes, by depth and by how many are patched

All nodes really run K blocks, then the N strongest of that estimate really patched: Pearson within each prompt, and how often the
sign is right, means over prompts.

{depths_table}

What that takes in forward passes, and the operations of the whole graph over those of attribution patching with Jacobian edges:

{depths_cost}

{reaching}

### By kind of site

{nodes_kind}

### By depth

{nodes_layer}

### Features and error nodes

{nodes_error}

### What the graph ranks high, and what it drops

{nodes_stratum}

### What finding the strongest nodes takes

Nodes are patched in the order of an estimate, each for one forward pass, until the 50 that really are the strongest of the
checked ones are found. *Passes*: what estimating all nodes takes, as operations of its matrix products over those of one forward
pass; *found in n*: share of the 50 among the n strongest by the estimate; *passes for*: estimate and patched nodes together.
Means over prompts.

{cost_table}

![Share of the 50 strongest nodes found against forward passes, a line per estimator]({figure})

## Edges

{edges_all}

### By kind of downstream site

{edges_kind}

### By depth of the upstream site

{edges_layer}

### From features and from error nodes

{edges_error}

## Where attribution patching fails, and why

**Large steps.** A gradient says what an infinitesimal step does; zero ablation takes the whole feature away. Nodes by the size of
that step, within their prompt and kind of site; how often the sign is right, and the median error:

{by_size}

**Features that switch.** An edge's line is straight only as long as the downstream feature stays active (and, under TopK, among
the strongest). Edges between features, gradient, all prompts pooled:

{switching}

{attention}**Integrated gradients** move a whole site from its value to zero, and their mean gradient belongs to that way, along which
everything else at the site goes too. The exact effect here takes one node alone, and for one node alone the gradient at the clean
run is the better guess. Where a circuit is to be taken away together the comparison may come out otherwise; `ablate --faithfulness`
measures that.

**Error nodes** are not where it fails on this model: what these dictionaries miss is small, and small steps are straight (the
tables *Features and error nodes*, *From features and from error nodes*).
{certificates}"""


PAIRS_PAGE = """# Patch pairs: {model} over {pairs} pairs of held-out prompts

Made by `make validation` on {date} ({version}, ONNX Runtime {runtime}); nothing in the tables is typed by hand.
As [{model} with zero ablation]({main}), where everything is explained, but a node does not go to zero: it takes its
value in another prompt's run, the next of the [held-out prompts](validation-prompts.md) that has as many tokens.

## In short

{reached}

## Nodes

`validate --sample {sample}`:

{levels}

### All nodes

Every node, beside the same node of a graph with `--method exact`; *passes*: what node effects took, as operations of their matrix
products over those of one forward pass, means over pairs:

{everything}

## Edges

{edges_all}
"""


def draw(program, prompts, args, graph, validate):
    """Draws every prompt and validates it, with further options of both verbs; None: it is not validated. With --keep-runs only what is
    missing is run."""
    names = sorted(tasks(prompts))
    runs = {name: os.path.join(program.runs, name) for name in names}
    if not (args.keep_runs and all(map(finished, runs.values()))):
        program.run("graph", "--model", args.model, "--prompts", prompts, "--directories",
                    "--metric", "logit-diff", "--no-page", "--out", program.runs,
                    "--force", *graph)
        # the mean over prompts is no run of one prompt
        shutil.rmtree(os.path.join(program.runs, "merged"))
    for i, name in enumerate(names if validate is not None else []):
        print(f"\r{program.runs}: {i + 1} of {len(names)} prompts", end="", file=sys.stderr, flush=True)
        if not (args.keep_runs and finished(runs[name]).get("validation")):
            program.run("validate", runs[name], "--sample", str(args.sample), *validate)
    print(f"\r{program.runs}: drawn", file=sys.stderr)


def finished(run):
    """run.json of a run, or nothing where there is none."""
    path = os.path.join(run, "run.json")
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def tasks(path):
    """The prompts of a file by their ids."""
    with open(path, encoding="utf-8") as f:
        return {t["id"]: t for t in map(json.loads, f)}


def write_pairs(program, prompts, path):
    """Writes each prompt with the next one of as many tokens as its patch prompt; one that has none is left out."""
    same = {}
    for name in sorted(prompts):
        with open(os.path.join(program.runs, name, "run.json"), encoding="utf-8") as f:
            same.setdefault(len(json.load(f)["tokens"]), []).append(name)
    with open(path, "w", encoding="utf-8") as f:
        for names in same.values():
            for i, name in enumerate(names):
                other = names[(i + 1) % len(names)]
                if other != name:
                    f.write(json.dumps({**prompts[name], "patch_prompt": prompts[other]["prompt"]}) + "\n")


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--cli", default="dotnet src/OnnxAttribution.Cli/bin/Release/net10.0/onnx-attribution.dll",
                   help="how the program is started")
    p.add_argument("--bench", default="dotnet bench/OnnxAttribution.Bench/bin/Release/net10.0/OnnxAttribution.Bench.dll",
                   help="how the benchmark program is started")
    p.add_argument("--graphs", type=int, default=1000, help="random graphs whose certificates are checked; 0 leaves them out")
    p.add_argument("--model", default="models/tiny")
    p.add_argument("--prompts", default="docs/results/validation-prompts.jsonl")
    p.add_argument("--runs", default="runs/validation", help="where the runs go, and those of further options beside them")
    p.add_argument("--out", default="docs/results/validation.md")
    p.add_argument("--sample", type=int, default=200)
    p.add_argument("--followed", type=int, default=60, help="edges of each sort that are followed through their range")
    p.add_argument("--refine", default="32,64", help="N of further runs with the strongest nodes really patched")
    p.add_argument("--no-pairs", action="store_true", help="leave out patch pairs")
    p.add_argument("--only-pairs", action="store_true", help="draw nothing but patch pairs, and write a page of them alone")
    p.add_argument("--no-sampled-depths", action="store_true",
                   help="leave every depth out of the sample's comparison, where each runs all nodes again")
    p.add_argument("--depths", default="1,2,3", help="K of further runs whose nodes are all really run K blocks deep")
    p.add_argument("--patched", default="0,16,32,64,128", help="how many of the strongest nodes are patched in the table by depth")
    p.add_argument("--keep-runs", action="store_true", help="take the runs that are there, as after an interruption")
    return p.parse_args()


def all_runs(args, program):
    """Draws and validates everything: the batches by name, the first without further options; those of really patched nodes;
    those by depth; and how many patch pairs there are."""
    batches, pairs = {"gradient": program}, f"{args.runs}-pairs.jsonl"
    ways = ("",) if args.no_pairs else ("", "patch")
    of = lambda *words: Program(args.cli, args.model, "-".join([args.runs, *(w for w in words if w)]))
    exact, depths = {patch: of(patch, "exact") for patch in ways}, {"K = 0": program}
    compared = ESTIMATORS + ["exact-depth"] * (not args.no_sampled_depths)
    draw(program, args.prompts, args, ["--refine", "off"], ["--compare", ",".join(compared)])
    for k in [k for k in args.depths.split(",") if k]:
        depths[f"K = {k}"] = of(f"depth-{k}")
        draw(depths[f"K = {k}"], args.prompts, args, ["--exact-depth", k], None)
    write_pairs(program, tasks(args.prompts), pairs)
    for patch in ways:
        prompts = pairs if patch else args.prompts
        draw(exact[patch], prompts, args, ["--method", "exact"], None)
        for n in (["off"] if patch else []) + [n for n in args.refine.split(",") if n]:
            name = ", ".join(w for w in (patch, "gradient" if n == "off" else f"refined, {n}") if w)
            batches[name] = of(patch, n)
            draw(batches[name], prompts, args, ["--refine", "off"] if n == "off" else ["--refine", n, "--edges", "exact"], [])
    return batches, exact, depths, 0 if args.no_pairs else len(tasks(pairs))


def pairs_page(args, program):
    """Draws patch pairs alone, and makes their page."""
    path = f"{args.runs}-pairs.jsonl"
    # how many tokens each prompt has is read off its graph
    draw(program, args.prompts, args, ["--refine", "off"], None)
    write_pairs(program, tasks(args.prompts), path)
    of = lambda *words: Program(args.cli, args.model, "-".join([args.runs, "patch", *words]))
    exact, batches = of("exact"), {"gradient": of("off")}
    draw(exact, path, args, ["--method", "exact"], None)
    draw(batches["gradient"], path, args, ["--refine", "off"], [])
    for n in args.refine.split(","):
        batches[f"refined, {n}"] = of(n)
        draw(batches[f"refined, {n}"], path, args, ["--refine", n, "--edges", "exact"], [])
    plain, every = batches["gradient"], everything(batches, exact)
    refined = {name: runs for name, runs in batches.items() if name != "gradient"}
    return PAIRS_PAGE.format(
        **facts(args, plain), pairs=len(tasks(path)), reached=reached(batches, every), levels=levels(plain, refined),
        everything=everything_table(every), edges_all=whole(plain, "edge", ["gradient"]),
        main=os.path.basename(args.out).replace("-pairs", ""))


def facts(args, program):
    """What a page says of its program and model."""
    about = program.rows("SELECT count(*) AS prompts, min(version) AS version, min(onnxruntime_version) AS runtime FROM runs")[0]
    with open(os.path.join(args.model, "bundle.json"), encoding="utf-8") as f:
        bundle = json.load(f)
    return dict(model=args.model, prompts=about["prompts"], date=datetime.date.today(), sample=args.sample,
                version=f"onnx-attribution {about['version'].split('+')[0]}", runtime=about["runtime"],
                layers=bundle["n_layers"], sites=len(bundle["dictionaries"]), estimators=",".join(ESTIMATORS))


def write_page(path, page):
    with open(path + ".tmp", "w", encoding="utf-8") as f:
        f.write(page)
    os.replace(path + ".tmp", path)
    print(f"wrote {path}")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    os.chdir(os.path.dirname(os.path.dirname(here)))
    args = parse()
    program, prompts = Program(args.cli, args.model, args.runs), tasks(args.prompts)
    if args.only_pairs:
        return write_page(args.out, pairs_page(args, program))
    batches, exact, depths, pairs = all_runs(args, program)
    refined = {name: runs for name, runs in batches.items() if "refined" in name}
    every = {}
    for patch, runs in exact.items():
        every |= everything({name: b for name, b in batches.items() if name.startswith("patch") == bool(patch)}, runs)
    counted = program.rows("SELECT \"check\", count(*) AS n FROM validation WHERE estimator = 'gradient' GROUP BY ALL")
    counts = {r["check"]: int(r["n"]) for r in counted}
    kinds, layers = "{0}_kind || CASE WHEN {0}_kind = 'resid' THEN '' ELSE '_out' END", "'layer ' || layer"
    errors = "CASE WHEN is_error THEN 'error nodes' ELSE 'features' END"
    node, edge = "what = 'node'", "what = 'edge'"
    by = lambda where, group, heading: side_by_side(agreement(program, where, group), heading)
    recalls, figure = costs(args.runs, prompts), args.out.removesuffix(".md") + "-cost-recall.svg"
    cells, depths_table, depths_cost = by_depth_and_patched(depths, exact[""], program, [int(n) for n in args.patched.split(",")])
    page = PAGE.format(
        **facts(args, program), nodes=counts["node"], edges=counts["edge"], followed=args.followed,
        nodes_all=whole(program, "node"), edges_all=whole(program, "edge"),
        levels=levels(program, refined), everything=everything_table(every), reached=reached(batches, every),
        pairs=f"**patch**: nodes take their value in another prompt's run, the next held-out one of as many tokens ({pairs} pairs)."
        if pairs else f"Patch pairs have [a page of their own]({os.path.basename(args.out).replace('.md', '-pairs.md')}).",
        nodes_kind=by(node, kinds.format("up"), "site"), nodes_layer=by(node, layers, "depth"),
        nodes_error=by(node, errors, "nodes"), nodes_stratum=by(node, "stratum", "stratum"),
        edges_kind=by(edge, kinds.format("down"), "into"), edges_layer=by(edge, layers, "depth"), edges_error=by(edge, errors, "from"),
        cost_table=cost_table(recalls), figure=os.path.basename(figure),
        by_size=by_size(program), switching=switching(program),
        attention=ATTENTION.format(shapes=shapes(program), followed=args.followed, diagnosis=diagnose(program, prompts, args.followed))
        if "attn" in kinds_of(program) else "",
        depths_table=depths_table, depths_cost=depths_cost, reaching=reaching(every, cells),
        certificates=certificate_section(coverage(args.bench, args.graphs)) if args.graphs else "")
    with open(figure, "w", encoding="utf-8") as f:
        f.write(cost_figure(recalls, args.sample))
    write_page(args.out, page)


if __name__ == "__main__":
    main()
