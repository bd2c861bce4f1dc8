using System.Globalization;
using System.Xml.Linq;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.Tests.View.Formats;
using OnnxAttribution.View.Figures;

namespace OnnxAttribution.Tests.View.Figures;

[Collection(nameof(TinyRuns))]
public sealed class FiguresTests(TinyRuns runs) : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Effects_have_a_bar_for_each_of_the_strongest_nodes_to_the_side_of_its_sign()
    {
        var svg = Drawn("effects", FigureRuns.Write(_directory));
        var bars = SvgReading.OfClass(svg, "bar").ToList();
        Assert.Equal(5, bars.Count);
        Assert.Single(SvgReading.OfClass(svg, "error"));
        // -effect, the strongest first
        Assert.Equal([SvgTheme.Light.Raises, SvgTheme.Light.Lowers, SvgTheme.Light.Raises, SvgTheme.Light.Lowers, SvgTheme.Light.Raises],
            bars.Select(b => (string)b.Attribute("fill")!));
        double[] widths = [.. bars.Select(b => SvgReading.Value(b, "width"))];
        Assert.Equal([2, 1, 0.5, 0.25, 3], widths.Select(w => Math.Round(w / widths[0] * 2, 2)));   // one scale for all sites
        var texts = SvgReading.Texts(svg).ToList();
        Assert.All((string[])["0:4@1 ␣b", "0:error@1 ␣b", "1:9@0 a", "contribution to the metric", "0.attn", "1.resid"],
            t => Assert.Contains(t, texts));
        Assert.Contains(texts, t => t.Contains("1 node without an effect left out", StringComparison.Ordinal));
    }

    [Fact]
    public void Effects_of_many_sites_are_laid_out_without_meeting()
    {
        var nodes = Enumerable.Range(0, 37)
            .SelectMany(i =>
                Enumerable.Range(0, 9)
                    .Select(f =>
                        PictureSamples.Row(i == 36
                            ? "blocks.11.hook_resid_post"
                            : $"blocks.{i / 3}.hook_{(string[])["resid_pre", "attn_out", "mlp_out"] switch { var k => k[i % 3] }}",
                            f, "t", f, f - (i % 7))))
            .ToList();
        var svg = Drawn("effects", FigureRuns.Write(_directory, nodes: nodes));
        var bars = SvgReading.OfClass(svg, "bar").ToList();
        Assert.Equal(37 * EffectsFigure.PerSite, bars.Count);
        Assert.Equal(3, SvgReading.Texts(svg).Count(t => t == "contribution to the metric"));
        foreach (var column in svg.Descendants()
            .Where(e => e.Name.LocalName == "rect" && (string?)e.Attribute("fill") == SvgTheme.Light.Band)
            .GroupBy(e => SvgReading.Value(e, "x")))
        {
            var panels = column.OrderBy(e => SvgReading.Value(e, "y")).ToList();
            foreach (var (above, below) in panels.Zip(panels.Skip(1)))
            {
                Assert.True(SvgReading.Value(above, "y") + SvgReading.Value(above, "height") < SvgReading.Value(below, "y"));
            }
        }
    }

    [Theory, InlineData(true), InlineData(false)]
    public void A_curve_has_a_point_for_each_row_of_the_positions_that_respond(bool inRun)
    {
        var path = FigureRuns.Write(_directory);
        if (inRun) RunDirectory.Annotate(path, "curve", FigureRuns.Curve(3, 9, FigureRuns.Hostile), new RunAddition());
        else RunDirectory.WriteTable(path = _directory["curve.parquet"], FigureRuns.Curve(3, 9, FigureRuns.Hostile), force: false);
        var svg = Drawn("curve", path);
        var points = SvgReading.OfClass(svg, "point").ToList();
        Assert.Equal(2 * 9, points.Count);   // the first position never moves
        foreach (var panel in points.Chunk(9))
        {
            double[] x = [.. panel.Select(p => SvgReading.Value(p, "cx"))], y = [.. panel.Select(p => SvgReading.Value(p, "cy"))];
            Assert.Equal(x.Order(), x);
            Assert.Equal(y.OrderDescending(), y);   // activations rise
        }
        Assert.Equal((2, 2, 1), (SvgReading.OfClass(svg, "curve").Count(), SvgReading.OfClass(svg, "gradient").Count(),
            SvgReading.OfClass(svg, "bend").Count()));
        Assert.Contains("a head turns to", SvgReading.OfClass(svg, "bend").Single().Value);
        var texts = SvgReading.Texts(svg).ToList();
        Assert.All((string[])["1:133 → 3.mlp:226", "downstream activation", "coefficient of the upstream feature (1: as it was)"],
            t => Assert.Contains(t, texts));
        Assert.Contains(texts, t => t.StartsWith("1  between 0.25 and 0.5: a head turns", StringComparison.Ordinal));
    }

    [Fact]
    public void Faithfulness_is_a_mean_over_prompts_per_rule_with_random_circuits()
    {
        var run = FigureRuns.Write(_directory);
        RunDirectory.Annotate(run, "faithfulness", FigureRuns.Faithfulness(), new RunAddition());
        var svg = Drawn("faithfulness", run);
        var points = SvgReading.OfClass(svg, "faithfulness-point").ToList();
        Assert.Equal((2 * 4, 2 * 4), (points.Count, SvgReading.OfClass(svg, "completeness-point").Count()));
        foreach (var panel in points.Chunk(4))
        {
            double[] x = [.. panel.Select(p => SvgReading.Value(p, "cx"))], y = [.. panel.Select(p => SvgReading.Value(p, "cy"))];
            Assert.Equal(x.Distinct().Order(), x);
            Assert.Equal(y.OrderDescending(), y);
            // a logarithmic axis: ten times as many are as far again, a little less near 0
            Assert.InRange((x[2] - x[1]) / (x[3] - x[2]), 0.6, 1);
        }
        Assert.Contains("10 nodes: faithfulness 0.1", points[2].Value);   // of the one prompt that has a number
        var texts = SvgReading.Texts(svg).ToList();
        Assert.All((string[])["share of the metric", "nodes kept (log scale)", "set to 0, errors kept", "set to 0, errors are nodes"],
            t => Assert.Contains(t, texts));
        Assert.Contains(texts, t => t.Contains("4 undefined ratios left out", StringComparison.Ordinal));
        Assert.Contains(texts, t => t.StartsWith("mean over 2 prompts  ·  3 random circuits of each size", StringComparison.Ordinal));
    }

    [Fact]
    public void Validation_puts_exact_against_approximate_of_the_runs_own_estimator()
    {
        var run = FigureRuns.Write(_directory);
        FigureRuns.AddValidation(run, ("node", "ig", 1, 9, 9), ("node", "gradient", 1, -3, -2), ("node", "gradient", -1, 0.01f, 0.02f),
            ("node", "gradient", 3, 4, 5), ("node", "gradient", 4, float.NaN, 1), ("edge", "gradient", 5, 1, -1));
        var svg = Drawn("validation", run);
        var marks = SvgReading.OfClass(svg, "mark").ToList();
        Assert.Equal(4, marks.Count);
        var nodes = marks.Where(m => !m.Value.Contains('→')).OrderBy(m => SvgReading.Value(m, "cx")).ToList();
        Assert.Equal(["exact -3, approximate -2", "exact 0.01, approximate 0.02", "exact 4, approximate 5"],
            nodes.Select(m => m.Value.Split('\n')[1]));
        double[] y = [.. nodes.Select(m => SvgReading.Value(m, "cy"))];
        Assert.Equal(y.OrderDescending(), y);
        Assert.Equal("none", (string)nodes[1].Attribute("fill")!);   // an error node
        var texts = SvgReading.Texts(svg).ToList();
        Assert.All((string[])["3 nodes", "1 edge", "approximate effect", "exact effect: the node is really moved"],
            t => Assert.Contains(t, texts));
        Assert.Contains(texts, t => t.StartsWith("Pearson 0.987", StringComparison.Ordinal));
        Assert.Contains(texts, t => t.Contains("1 check without a number left out", StringComparison.Ordinal));
        Assert.Equal(2, SvgReading.OfClass(svg, "diagonal").Count());
    }

    [Fact]
    public void Cost_and_recall_has_a_stair_for_each_estimator_whose_cost_is_known()
    {
        var run = FigureRuns.Write(_directory);
        FigureRuns.AddCosts(run);
        var svg = Drawn("cost-recall", run);
        string[] stairs = [.. SvgReading.OfClass(svg, "estimator").Select(p => (string)p.Attribute("d")!)];
        Assert.Equal(2, stairs.Length);
        Assert.All(stairs, d => Assert.Equal(1 + (2 * 3), d.Split('M', 'L').Length - 1));
        // both end at the top, the cheaper estimate later
        double[][] ends = [.. stairs.Select(d => d.Split('L')[^1].Split(' ').Select(n => double.Parse(n, CultureInfo.InvariantCulture)))
            .Select(n => n.ToArray())];
        Assert.Equal(ends[0][1], ends[1][1]);
        Assert.True(ends[0][0] > ends[1][0]);
        var texts = SvgReading.Texts(svg).ToList();
        Assert.All((string[])["gradient", "atpstar", "share found", "forward passes (log scale)",
            "The 3 strongest nodes: what finding them takes"], t => Assert.Contains(t, texts));
        Assert.DoesNotContain("exact", texts);
        Assert.Single(SvgReading.OfClass(svg, "random"));
    }

    [Fact]
    public void Validation_within_a_page_needs_no_style_no_script_and_no_paper()
    {
        var run = FigureRuns.Write(_directory);
        FigureRuns.AddValidation(run, ("node", "gradient", 1, -3, -2), ("node", "gradient", 2, 3, 2));
        var svg = XDocument.Parse(ValidationFigure.Inline(run)).Root!;
        Assert.DoesNotContain(svg.DescendantsAndSelf().Attributes(),
            a => a.Name.LocalName is "style" or "id" or "href" || a.Name.LocalName.StartsWith("on", StringComparison.Ordinal));
        Assert.Contains(svg.Descendants().Attributes("fill"), a => a.Value == "var(--ink,#1b1f24)");
        Assert.DoesNotContain(svg.Elements(), e => e.Name.LocalName == "rect" && (string?)e.Attribute("x") is null);
    }

    [Fact]
    public void Figures_are_well_formed_stay_within_their_box_and_take_tokens_for_text()
    {
        var run = FigureRuns.Write(_directory);
        RunDirectory.Annotate(run, "curve", FigureRuns.Curve(9, 5, FigureRuns.Hostile), new RunAddition());
        RunDirectory.Annotate(run, "faithfulness", FigureRuns.Faithfulness(), new RunAddition());
        FigureRuns.AddValidation(run, ("node", "gradient", 1, -3, -2), ("edge", "gradient", 2, 3, 2));
        FigureRuns.AddCosts(run);
        foreach (var name in FigureFile.Names)
        {
            var svg = Drawn(name, name switch
            {
                "patching" => FigureRuns.Patching(_directory),
                "trace" => FigureRuns.Trace(_directory),
                "lens" or "summands" or "lens-heads" => FigureRuns.Lens(_directory),
                _ => run
            });
            SvgReading.AssertTextsInside(svg);
            Assert.DoesNotContain(svg.Descendants(), e => e.Name.LocalName is "script" or "foreignObject" or "style");
            Assert.DoesNotContain("NaN", svg.ToString());
            Assert.All(svg.Descendants()
                .Attributes()
                .Where(a => a.Name.LocalName is "x" or "y" or "cx" or "cy" or "width" or "height" or "r"),
                a => Assert.True(double.IsFinite(double.Parse(a.Value, CultureInfo.InvariantCulture))));
        }
    }

    [Fact]
    public void What_is_missing_is_named_with_the_verb_that_writes_it()
    {
        var run = FigureRuns.Write(_directory);
        void Says(string name, string path, params string[] words)
        {
            var e = Assert.ThrowsAny<Exception>(() => Drawn(name, path));
            Assert.True(e is RunDirectoryException or FigureException, e.ToString());
            Assert.DoesNotContain('\n', e.Message);
            Assert.All(words, word => Assert.Contains(word, FailureLine.Of(e, "view")));
        }
        Says("validation", run, "validation.parquet", "onnx-attribution validate RUN");
        Says("faithfulness", run, "faithfulness.parquet", "onnx-attribution ablate --faithfulness RUN");
        Says("curve", run, "curve.parquet", "onnx-attribution ablate --up FEATURE");
        Says("curve", _directory["none.parquet"], "none.parquet does not exist");
        Says("curve", Path.Combine(run, "nodes.parquet"), "no column 'coefficient'", "ablate --up");
        Says("effects", _directory["none"], "none", "finished run");
        Says("pie", run, "no figure 'pie'", "effects, curve, faithfulness, validation");
        Says("effects", FigureRuns.Write(_directory, "unknown", [PictureSamples.Row("blocks.0.hook_resid_pre", 0, "a", 1, float.NaN)]),
            "nodes with an effect");
        FigureRuns.AddValidation(run, ("node", "gradient", 1, float.NaN, 1));
        Says("validation", run, "checks with both numbers");
    }

    [Fact]
    public void Tables_of_a_real_run_are_drawn_row_by_row()
    {
        Verb.Run("graph", "--model", runs.Bundle, "--prompt", "Copyright (C", "--out", _directory["graph"]).Done();
        Verb.Run("validate", _directory["graph"], "--sample", "30").Done();
        var checks = StoredTable.Read(Path.Combine(_directory["graph"], "validation.parquet"));
        Assert.Equal(checks.Count, SvgReading.OfClass(Drawn("validation", _directory["graph"]), "mark").Count());
        Verb.Run("ablate", "--model", runs.Bundle, "--prompt", "Copyright (C", "--up", "1:133", "--down", "3:226",
            "--coefficients", "0..2:0.5", "--out", _directory["c.parquet"]).Done();
        Assert.Equal(3 * 5, SvgReading.OfClass(Drawn("curve", _directory["c.parquet"]), "point").Count());
        Assert.Equal(13 * EffectsFigure.PerSite, SvgReading.OfClass(Drawn("effects", _directory["graph"]), "bar").Count());
    }

    private static XElement Drawn(string name, string path)
    {
        var writer = new StringWriter();
        FigureFile.Write(name, path, writer);
        return XDocument.Parse(writer.ToString(), LoadOptions.PreserveWhitespace).Root!;
    }
}
