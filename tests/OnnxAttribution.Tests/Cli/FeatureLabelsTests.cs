using System.Text.Json.Nodes;
using System.Xml.Linq;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Dashboards;

namespace OnnxAttribution.Tests.Cli;

/// <summary>Labels stand wherever a feature is named: in tables, on the page, in other programs' formats, in search and in SQL.</summary>
public sealed class FeatureLabelsTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private const string Label = "months & <years>";

    private readonly CollectedText _collected = new(model.Bundle);
    private readonly TemporaryDirectory _directory = new();

    public void Dispose()
    {
        _collected.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public void A_label_stands_wherever_the_feature_is_named()
    {
        var run = Graph();
        var strongest = JsonNode.Parse(Verb.Run("graph", "--model", _collected.Bundle, "--prompt", "abc", "--out", run, "--force", "--json")
            .Done().Output)!["strongest_nodes"]!.AsArray().First(n => (int)n!["feature"]! >= 0)!;
        var (site, feature) = ((string)strongest["site"]!, (int)strongest["feature"]!);
        Import(site, feature);
        Assert.Contains($"'{Label}'", Verb.Run("graph", "--model", _collected.Bundle, "--prompt", "abc", "--out", run, "--force").Done()
            .Output);
        string View(string format)
        {
            var file = _directory[$"graph.{format}"];
            Verb.Run("view", run, "--format", format, "--out", file, "--force").Done();
            return File.ReadAllText(file);
        }
        Assert.Contains($"feature_label=\"{Label}\"", View("dot"));
        var node = JsonNode.Parse(View("json"))!["nodes"]!.AsArray()
            .First(n => (string?)n!["site"] == site && (int)n["feature_index"]! == feature)!;
        Assert.Equal(Label, (string)node["feature_label"]!);
        // the viewer puts clerps into its page as HTML
        Assert.Equal($"months ＆ ‹years› · {FeatureName.Of(site, feature)}", (string)node["clerp"]!);
        XNamespace ns = "http://graphml.graphdrawing.org/xmlns";
        Assert.Contains(XDocument.Parse(View("graphml")).Descendants(ns + "data"),
            d => (string)d.Attribute("key")! == "node_feature_label" && d.Value == Label);
        Assert.Contains(Label.Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;"), View("svg"));
        Assert.Contains("\"label\":\"months \\u0026 \\u003Cyears\\u003E\"", File.ReadAllText(Path.Combine(run, "graph.html")));
        // and it is the word that stands beside the number
        Assert.Contains("\"label\":\"months \\u0026 \\u003Cyears\\u003E\",\"word\":\"months \\u0026 \\u003Cyears\\u003E\"",
            File.ReadAllText(Path.Combine(run, "graph.html")));
        using var result = new RunQuery([run]).Execute($"SELECT label, source FROM nodes JOIN labels USING (site, feature) "
            + $"WHERE feature = {feature} AND site = '{site}' LIMIT 1");
        Assert.Equal([[Label, "labels.jsonl"]], result.Rows().Select(r => r.ToArray()));
    }

    [Fact]
    public void A_run_whose_bundle_has_moved_shows_the_labels_of_where_it_is_said_to_be()
    {
        var run = Graph();
        var strongest = RunDirectory.Read(run).Nodes.Where(n => n.Kept && n.Feature >= 0).MaxBy(n => Math.Abs(n.Effect));
        Import(strongest.Site, strongest.Feature);
        var facts = JsonNode.Parse(File.ReadAllText(Path.Combine(run, "run.json")))!;
        facts["model_path"] = _directory["gone"];
        File.WriteAllText(Path.Combine(run, "run.json"), facts.ToJsonString());
        var inSvg = Label.Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;");
        foreach (var (file, more, words) in ((string, string[], string)[])[("graph.svg", [], inSvg), ("boxes.svg", ["--boxes"], inSvg),
            ("graph.html", [], "\"label\":\"months \\u0026 \\u003Cyears\\u003E\""), ("graph.json", [], "\"feature_label\"")])
        {
            string View(params string[] model)
            {
                Verb.Run(["view", run, "--out", _directory[file], "--force", .. more, .. model]).Done();
                return File.ReadAllText(_directory[file]);
            }
            Assert.DoesNotContain(words, View());
            Assert.Contains(words, View("--model", _collected.Bundle));
        }
        // two of them as one, too
        Verb.Run("view", run, run, "--out", _directory["pair.html"], "--model", _collected.Bundle).Done();
        Assert.Contains("\"label\":\"months \\u0026 \\u003Cyears\\u003E\"", File.ReadAllText(_directory["pair.html"]));
    }

    [Fact]
    public void A_curve_names_its_features_with_their_labels()
    {
        Import("blocks.0.hook_resid_pre", 14);
        Verb Curve(params string[] more) => Verb.Run(["ablate", "--model", _collected.Bundle, "--prompt", "WGlT",
            "--up", "0:14", "--down", "2:2", .. more]).Done();
        var output = Curve().Output;
        Assert.Contains($"blocks.0.hook_resid_pre:14 '{Label}'", output);
        Assert.DoesNotContain("hook_resid_post:2 '", output);
        var json = JsonNode.Parse(Curve("--json").Output)!;
        Assert.Equal((Label, null), ((string?)json["up"]!["label"], (string?)json["down"]!["label"]));
    }

    [Fact]
    public void A_run_without_labels_looks_as_it_did_and_SQL_says_what_makes_them()
    {
        var run = Graph();
        Verb.Run("view", run, "--format", "graphml", "--out", _directory["g.graphml"]).Done();
        Assert.DoesNotContain("feature_label", File.ReadAllText(_directory["g.graphml"]));
        Verb.Run("query", run, "SELECT * FROM labels").Failed(1, "No run here has labels", "features --model BUNDLE --import-labels FILE");
    }

    [Fact]
    public void Show_and_search_know_labels()
    {
        _collected.Run();
        var some = _collected.Table.ReadAll().First(f => !f.IsDead);
        Import(some.Site, some.Feature);
        var shown = Features("--show", $"{some.Site}:{some.Feature}").Done().Output;
        Assert.Contains($"label       '{Label}'  (labels.jsonl)", shown);
        var json = JsonNode.Parse(Features("--search", "MONTHS", "--json").Done().Output)!["matches"]!.AsArray();
        Assert.Equal([(some.Feature, Label)], json.Select(m => ((int)m!["feature"]!, (string)m["label"]!)));
        Assert.Contains($"'{Label}'", Features("--search", "months").Done().Output);
    }

    [Fact]
    public void A_pack_is_written_and_its_answers_are_scored_against_the_truth()
    {
        _collected.Run(CollectedText.Options with { Top = 8 });
        var pack = _directory["pack.jsonl"];
        Assert.Contains($"wrote {pack}", Features("--explain-pack", "4", "--out", pack).Done().Output);
        var lines = File.ReadLines(pack).Select(l => JsonNode.Parse(l)!).ToList();
        Assert.NotEmpty(lines);
        // who knows the truth has a correlation of 1, who says its opposite of -1
        var table = _collected.Table.Read([.. lines.Take(2).Select(l => ((string)l["site"]!, (int)l["feature"]!))]);
        string Answer(JsonNode line, float sign)
        {
            var heldOut = ExplainSplit.Of(table[((string)line["site"]!, (int)line["feature"]!)], 4)!.HeldOut;
            Assert.Equal(line["held_out"]!.AsArray().Count, heldOut.Count);
            return new JsonObject
            {
                ["site"] = (string)line["site"]!,
                ["feature"] = (int)line["feature"]!,
                ["label"] = $"sign {sign}",
                ["predictions"] = new JsonArray(
                    [.. heldOut.Select(c => new JsonArray([.. c.Activations.Select(a => (JsonNode)(sign * a))]))]),
            }.ToJsonString();
        }
        File.WriteAllLines(_directory["answers.jsonl"], [Answer(lines[0], 1), Answer(lines[1], -1)]);
        var json = JsonNode.Parse(Features("--score-labels", _directory["answers.jsonl"], "--json").Done().Output)!;
        Assert.Equal((2, 0), ((int)json["scored"]!, (int)json["constant"]!));
        Assert.Equal(0, (double)json["mean"]!, 6);
        Assert.Equal([1, -1], LabelTable.Open(_collected.Bundle)!.ReadAll().OrderByDescending(l => l.Score)
            .Select(l => Math.Round(l.Score!.Value, 6)));
        var first = $"{lines[0]["site"]}:{lines[0]["feature"]}";
        Assert.Contains("predicts its activations with correlation 1", Features("--show", first).Done().Output);
    }

    [Theory]
    [InlineData("{\"site\": \"0\", \"feature\": 0, \"label\": \"x\"}", "answers.jsonl:1 is no answer to a pack")]
    [InlineData("{\"site\": \"0\", \"feature\": 99999, \"label\": \"x\", \"predictions\": []}", "has no feature 99999")]
    [InlineData("{\"site\": \"0\", \"feature\": -2, \"label\": \"x\", \"predictions\": []}", "there is no feature -2")]
    [InlineData("{", "answers.jsonl:1 is not valid JSON")]
    [InlineData("", "has no line")]
    public void An_answer_that_fits_no_pack_is_refused_with_its_line(string text, string words)
    {
        _collected.Run();
        File.WriteAllText(_directory["answers.jsonl"], text);
        Features("--score-labels", _directory["answers.jsonl"]).Failed(1, words);
        Assert.Null(LabelTable.Open(_collected.Bundle));
    }

    [Theory]
    [InlineData("--explain-pack writes a file; give --out FILE", "--explain-pack", "3")]
    [InlineData("--explain-pack 0 is too little", "--explain-pack", "0", "--out", "f")]
    [InlineData("--out has no meaning with --show", "--show", "0:1", "--out", "f")]
    [InlineData("--show and --import-labels ask for different things", "--import-labels", "f", "--show", "0:1")]
    [InlineData("--tokens has no meaning with --import-labels", "--import-labels", "f", "--tokens", "3")]
    [InlineData("--sites has no meaning with --score-labels", "--score-labels", "f", "--sites", "resid")]
    public void Contradictions_are_refused(string words, params string[] options) => Features(options).Failed(2, words);

    private Verb Features(params string[] args) => Verb.Run(["features", "--model", _collected.Bundle, .. args]);

    private string Graph()
    {
        Verb.Run("graph", "--model", _collected.Bundle, "--prompt", "abc", "--out", _directory["run"]).Done();
        return _directory["run"];
    }

    private void Import(string site, int feature)
    {
        File.WriteAllText(_directory["labels.jsonl"],
            new JsonObject { ["site"] = site, ["feature"] = feature, ["label"] = Label }.ToJsonString());
        Assert.Contains("imported 1 label at 1 site", Features("--import-labels", _directory["labels.jsonl"]).Done().Output);
    }
}
