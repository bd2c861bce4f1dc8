using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Reports;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Dashboards;
using OnnxAttribution.Tests.Documents;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The verb <c>features</c> on the small random model, and its refusals.</summary>
public sealed class FeaturesCommandTests(Random2Fixture model) : IClassFixture<Random2Fixture>, IDisposable
{
    private readonly CollectedText _collected = new(model.Bundle);
    private readonly TemporaryDirectory _directory = new();

    public void Dispose()
    {
        _collected.Dispose();
        _directory.Dispose();
    }

    private Verb Features(params string[] args) => Verb.Run(["features", "--model", _collected.Bundle, .. args]);

    private Verb Read(params string[] args) => Features(["--text", _collected.TextPath, "--window", "3", .. args]);

    [Fact]
    public void Contexts_that_no_memory_could_hold_are_refused_before_a_token_is_read()
    {
        using var directory = new TemporaryDirectory();
        var bundle = Directory.CreateDirectory(directory["tiny"]).FullName;
        foreach (var file in Directory.GetFiles(Repository.TinyModel, "*", SearchOption.AllDirectories)
            .Where(f => !f.EndsWith("features.parquet", StringComparison.Ordinal)))
        {
            var copy = Path.Combine(bundle, Path.GetRelativePath(Repository.TinyModel, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
        File.WriteAllText(directory["text.txt"], "some text");
        Verb.Run("features", "--model", bundle, "--text", directory["text.txt"], "--top", "1000", "--window", "1000")
            .Failed(1, "blocks.0.hook_resid_pre", "(--top or --window)");
        Assert.Empty(Directory.GetFiles(bundle, "*features*"));
    }

    [Fact]
    public void It_reads_a_text_and_says_what_it_took()
    {
        var output = Read("--tokens", "2000").Done().Output;
        Assert.Contains("read     2,000 tokens of ", output);
        Assert.Contains("wrote    280 features of 7 sites", output);
        Assert.Contains("tokens per second", output);
        var json = JsonNode.Parse(Read("--tokens", "2000", "--force", "--json").Done().Output)!;
        Assert.Equal((2000, 280, 1), ((int)json["tokens"]!, (int)json["features"]!, (int)json["passes"]!));
        Assert.Equal([FeatureTable.FileName], _collected.Extra);
    }

    [Fact]
    public void One_feature_is_shown_in_words_and_as_json()
    {
        Read().Done();
        var feature = _collected.Table.ReadAll().First(f => !f.IsDead && f.Contexts.Count > 4);
        var name = $"{feature.Site}:{feature.Feature}";
        var output = Features("--show", name).Done().Output;
        Assert.Contains($"({name})", output);
        Assert.Contains("strongest contexts", output);
        Assert.Contains("weaker: stratum 1 of 4", output);
        Assert.Contains("promotes    '", output);
        Assert.Contains("«", output);
        Assert.DoesNotContain('\u001b', output);        // no colours where there is no terminal
        var json = JsonNode.Parse(Features("--show", name, "--json").Done().Output)!;
        Assert.Equal(feature.Contexts.Count, json["contexts"]!.AsArray().Count);
        Assert.Equal(feature.MaxActivation, (float)json["max_activation"]!);
        var dead = _collected.Table.ReadAll().FirstOrDefault(f => f.IsDead);
        if (dead is not null) Assert.Contains("dead: never active", Features("--show", $"{dead.Site}:{dead.Feature}").Done().Output);
        Assert.Equal(Features("--show", "1:3").Done().Output, Features("--show", "blocks.0.hook_resid_post:3").Done().Output);
    }

    [Fact]
    public void A_word_is_searched_for_among_active_and_promoted_tokens()
    {
        Read().Done();
        var json = JsonNode.Parse(Features("--search", "D", "--json").Done().Output)!;
        var matches = json["matches"]!.AsArray();
        Assert.NotEmpty(matches);
        var features = _collected.Table.Read([.. matches.Select(m => ((string)m!["site"]!, (int)m["feature"]!))]);
        foreach (var match in matches)
        {
            var feature = features[((string)match!["site"]!, (int)match["feature"]!)];
            // in a vocabulary of bytes a token is on the word where it is the word
            int Active(bool top) =>
                feature.Contexts.Count(c => c.Quantile == 0 == top && c.Tokens.Index()
                    .Any(t => t.Item is "d" or "D" && c.Activations[t.Index] > 0 && c.Activations[t.Index] >= c.Activations.Max() / 2));
            Assert.Equal(Active(true), (int)match["contexts"]!);
            Assert.Equal(Active(false), (int)match["weaker_contexts"]!);
            Assert.Equal(feature.Promoted.Count(t => t.Token.Contains('d', StringComparison.OrdinalIgnoreCase)),
                match["promoted"]!.AsArray().Count);
            Assert.True((int)match["contexts"]! + (int)match["weaker_contexts"]! + match["promoted"]!.AsArray().Count > 0);
        }
        Assert.Contains("Features active on 'D', or promoting it", Features("--search", "D").Done().Output);
        Assert.All(JsonNode.Parse(Features("--search", "D", "--sites", "attn", "--json").Done().Output)!["matches"]!.AsArray(),
            m => Assert.Contains("attn", (string)m!["site"]!));
        Assert.Contains("no feature is active on 'it''s'", Features("--search", "it''s").Done().Output);
    }

    [Fact]
    public void A_query_about_a_run_can_join_the_dashboards_of_its_bundle()
    {
        Read().Done();
        Verb.Run("graph", "--model", _collected.Bundle, "--prompt", "abc", "--out", _directory["run"]).Done();
        Assert.Empty(Asked(
            "SELECT n.feature FROM nodes n LEFT JOIN features f USING (site, feature) WHERE n.feature >= 0 AND f.firing_rate IS NULL"));
        var some = _collected.Table.ReadAll().First(f => !f.IsDead);
        Assert.Equal([some.Contexts[0].Tokens[0]], Asked(
            $"SELECT contexts[1].tokens[1] FROM features WHERE site = '{some.Site}' AND feature = {some.Feature} AND model = 'random2'"));
        // of another bundle, or damaged: as if there were none, and queries about the run go on
        File.WriteAllText(_collected.Table.Path, "x");
        Assert.Contains("'onnx-attribution features --model BUNDLE --text FILE'",
            FailureLine.Of(Assert.Throws<QueryException>(() => Asked("SELECT count(*)::VARCHAR FROM Features")), "query"));
        Assert.Single(Asked("SELECT count(*)::VARCHAR FROM nodes"));
    }

    [Fact]
    public void What_is_active_on_a_prompt_is_listed_written_and_shaded()
    {
        string[] asked = ["--prompt", "abc", "--sites", "1.resid,0.mlp"];
        var json = JsonNode.Parse(Features([.. asked, "--json", "--top", "3"]).Done().Output)!;
        var listed = json["features"]!.AsArray();
        Assert.Equal(3, (int)json["position"]!);
        Assert.Equal(["blocks.0.hook_mlp_out", "blocks.1.hook_resid_pre"], listed.Select(f => (string)f!["site"]!).Distinct().Order());
        Assert.All(listed.CountBy(f => (string)f!["site"]!), site => Assert.InRange(site.Value, 1, 3));
        Assert.All(listed, f => Assert.Equal(10, f!["promoted"]!.AsArray().Count));
        Assert.All(listed, f => Assert.Null(f!["firing_rate"]));
        var file = _directory["active.parquet"];
        var output = Features([.. asked, "--position", "1", "--against", "abd", "--out", file]).Done().Output;
        Assert.Contains("prompt   0 '<|endoftext|>'  1 'a'", output);
        Assert.Contains("against  0 '<|endoftext|>'  1 'a'", output);
        Assert.Contains("Active at 1 'a'", output);
        Assert.Contains("change of norm", output);
        Assert.Contains($"wrote {file}", output);
        Features([.. asked, "--out", file]).Failed(1, file, "--force");
        Assert.Equal(ParquetReference.Columns("active"), StoredTable.Read(file, default).Columns.Select(c => (c.Name, c.SqlType)));
        var strongest = listed.First(f => (string)f!["site"]! == "blocks.1.hook_resid_pre")!;
        var name = $"1:{(int)strongest["feature"]!}";
        var shaded = Features("--prompt", "abc", "--show", name, "--against", "abd").Done().Output;
        Assert.Contains($"feature  {name}", shaded);
        Assert.Contains($"3 'c' {Screen.Number((float)strongest["activation"]!)}", shaded);
        Assert.Contains("against", shaded);
        Assert.DoesNotContain('\u001b', shaded);
    }

    [Fact]
    public void Features_that_fire_often_are_hidden_by_what_the_text_said()
    {
        Features("--prompt", "abc", "--hide-dense", "0.1").Failed(1, "has no features.parquet", "--text FILE");
        Read().Done();
        JsonArray Listed(params string[] more) =>
            JsonNode.Parse(Features(["--prompt", "abc", "--json", "--top", "1000", .. more]).Done().Output)!["features"]!.AsArray();
        var all = Listed();
        var rates = _collected.Table.ReadAll().ToDictionary(f => (f.Site, f.Feature), f => (float)f.FiringRate);
        Assert.All(all, f => Assert.Equal(rates[((string)f!["site"]!, (int)f["feature"]!)], (float)f["firing_rate"]!));
        var limit = rates.Values.Order().ElementAt(rates.Count / 2);
        var few = Listed("--hide-dense", $"{limit}");
        Assert.Equal(all.Where(f => (float)f!["firing_rate"]! <= limit).Select(f => f!.ToJsonString()), few.Select(f => f!.ToJsonString()));
        Assert.InRange(few.Count, 1, all.Count - 1);
    }

    private List<string?> Asked(string sql)
    {
        using var result = new RunQuery([_directory["run"]]).Execute(sql);
        return [.. result.Rows().Select(row => row[0])];
    }

    [Theory]
    [InlineData("what is to be done")]
    [InlineData("--text and --show ask for different things", "--text", "f", "--show", "0:1")]
    [InlineData("--show and --search ask for different things", "--search", "f", "--show", "0:1")]
    [InlineData("--tokens has no meaning with --show", "--show", "0:1", "--tokens", "5")]
    [InlineData("--force has no meaning with --search", "--search", "a", "--force")]
    [InlineData("--sites has no meaning with --show", "--show", "0:1", "--sites", "resid")]
    [InlineData("--text and --prompt ask for different things", "--text", "f", "--prompt", "a")]
    [InlineData("--search and --prompt ask for different things", "--search", "f", "--prompt", "a")]
    [InlineData("--window has no meaning with --prompt", "--prompt", "a", "--window", "5")]
    [InlineData("--against has no meaning with --text", "--text", "f", "--against", "a")]
    [InlineData("--out has no meaning with --text", "--text", "f", "--out", "a")]
    [InlineData("--position has no meaning with --show", "--prompt", "a", "--show", "0:1", "--position", "1")]
    [InlineData("--hide-dense cannot be '1.5'; it takes a share from 0 to 1", "--prompt", "a", "--hide-dense", "1.5")]
    [InlineData("--force goes with --out", "--prompt", "a", "--force")]
    [InlineData("--hide-dense cannot be 'x'", "--prompt", "a", "--hide-dense", "x")]
    [InlineData("--prompt is empty", "--prompt", "")]
    [InlineData("'0-1' is no feature", "--show", "0-1")]
    [InlineData("leave @3 out", "--show", "0:1@3")]
    [InlineData("--search is empty", "--search", " ")]
    [InlineData("--sites is empty", "--text", "f", "--sites", ",")]
    [InlineData("--top 0 is too little", "--text", "f", "--top", "0")]
    [InlineData("--window 5000 is too much", "--text", "f", "--window", "5000")]
    [InlineData("--tokens 0 is too little", "--text", "f", "--tokens", "0")]
    [InlineData("'--serach'", "--serach", "a")]
    public void Wrong_usage_is_told_before_anything_is_read(string words, params string[] args) => Features(args).Failed(2, words);

    [Fact]
    public void What_cannot_be_is_told_with_the_fix()
    {
        var unequal = Features("--prompt", "abc", "--against", "ab");
        Assert.Equal(1, unequal.Code);
        Assert.Contains("the prompt has 4 tokens and the other prompt 3", unequal.Error);
        Features("--prompt", "abc", "--position", "4").Failed(1, "position 4");
        Features("--prompt", "abc", "--show", "0:40").Failed(2, "no feature 40", "0 to 39");
        Features("--prompt", "abc", "--sites", "resdi").Failed(1, "no site 'resdi'", "'resid'");
        Features("--show", "0:1").Failed(1, "has no features.parquet", "onnx-attribution features --model", "--text FILE");
        Features("--search", "a").Failed(1, "has no features.parquet", "--text FILE");
        Features("--text", _directory["none.txt"]).Failed(1, _directory["none.txt"], "there is no file");
        Read("--sites", "resdi").Failed(1, "no site 'resdi'", "'resid'");
        Read("--sites", "mlp").Done();
        Read().Failed(1, "exists already", "--force");
        Features("--show", "9:1").Failed(1, "no site 'blocks.9.hook_resid_pre'", "Did you mean");
        Features("--show", "0:40").Failed(1, "no feature 40", "0 to 39");
        Features("--show", "0:4").Failed(1, "leaves out blocks.0.hook_resid_pre", "collect all sites");
        Features("--search", "a", "--sites", "attn").Failed(1, "leaves out blocks.0.hook_attn_out", "collect all sites");
        Features("--search", "a", "--sites", "attn,0.mlp").Done();
        File.WriteAllText(_directory["blank.txt"], "<|endoftext|>\n<|endoftext|>\n");
        Features("--text", _directory["blank.txt"], "--force").Failed(1, _directory["blank.txt"], "holds no text");
        File.AppendAllText(Path.Combine(_collected.Bundle, "bundle.json"), "\n");
        Features("--show", "0.mlp:4").Failed(1, "was made before the bundle was exported anew", "--force");
        File.WriteAllText(_collected.Table.Path, "x");
        Features("--show", "0.mlp:4").Failed(1, "is damaged", "features --model");
    }

    [Fact]
    public void A_bundle_without_dictionaries_or_that_cannot_be_written_is_told()
    {
        var bare = Random2.Bundle(Random2.Copy(_directory["checkpoint"]), _directory["bare"]);
        Verb.Run("features", "--model", bare, "--text", _collected.TextPath).Failed(1, bare, "has no dictionary", "--dictionaries");
        Directory.CreateDirectory(Path.Combine(_collected.Bundle, FeatureTable.FileName));
        Read().Failed(1, FeatureTable.FileName, "cannot be written", "it is a directory", "name the file");
    }

    [Fact]
    public void The_help_has_an_example() =>
        Assert.Contains("Example: onnx-attribution features --model", Verb.Run("features", "--help").Done().Output);

    [Theory]
    [InlineData(0.5, 65.0, "reading ████████████░░░░░░░░░░░░  50 %  1,234 tokens, 99 per second, 1:05 to go")]
    [InlineData(0.5, 7380.0, "reading ████████████░░░░░░░░░░░░  50 %  1,234 tokens, 99 per second, 2:03 h to go")]
    [InlineData(double.NaN, 0.0, "reading")]
    public void Progress_is_a_bar_with_speed_and_time_to_go(double share, double seconds, string line) =>
        Assert.Equal(line, FeatureProgressBar.Line(new FeatureProgress("reading", share, 1234, 99.4, TimeSpan.FromSeconds(seconds))));
}
