using System.IO.Compression;
using System.Text;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Attribution;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Dashboards;

/// <summary>Labels come from Neuronpedia's files, one's own lines and circuit-tracer's JSON, each checked against the bundle's
/// dictionaries.</summary>
public sealed class LabelImportTests : IDisposable
{
    private const string Site = "blocks.1.hook_resid_pre", Features = "its features are 0 to 23";

    private readonly TemporaryDirectory _directory = new();

    public LabelImportTests()
    {
        DictionaryFiles.Random(Site, width: 16, features: 24, seed: 4).With("neuronpedia_id", "\"gpt2-small/1-res-jb\"")
            .Write(_directory["dictionaries/a"]);
        DictionaryFiles.Random("blocks.0.hook_mlp_out", width: 16, features: 8, seed: 5).Write(_directory["dictionaries/b"]);
        BundleWriter.Write(new ExportOptions(Random2.Checkpoint, [_directory["dictionaries"]], Bundle));
    }

    private string Bundle => _directory["bundle"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Neuronpedias_explanations_are_gzipped_lines_whose_source_is_the_dictionarys()
    {
        var file = _directory["batch-0.jsonl.gz"];
        using (var gzip = new GZipStream(File.Create(file), CompressionLevel.Fastest))
        {
            foreach (var end in (string[])["\"7\",\"description\":\" months of the year\",\"explanationModelName\":\"gpt-4o-mini\"}",
                "\"3\",\"description\":\"\",\"explanationModelName\":\"gpt-4o-mini\"}",
                "9,\"description\":\"line\\nend\",\"embedding\":\"[0.1]\"}"])
            {
                gzip.Write(Encoding.UTF8.GetBytes("{\"modelId\":\"gpt2-small\",\"layer\":\"1-res-jb\",\"index\":" + end + "\n"));
            }
        }
        var summary = LabelImport.Run(Bundle, [file], CancellationToken.None);
        Assert.Equal((2, 0, 2), (summary.Imported, summary.Replaced, summary.All));
        Assert.Equal(
            [new FeatureLabel(Site, 7, "months of the year", "gpt2-small/1-res-jb by gpt-4o-mini"),
                new FeatureLabel(Site, 9, "line\nend", "gpt2-small/1-res-jb")],
            LabelTable.Open(Bundle)!.ReadAll());
    }

    [Fact]
    public void Ones_own_lines_name_the_site_in_short_or_long_and_the_last_label_counts()
    {
        Import("""
            {"site": "1", "feature": 2, "label": "first"}

            {"site": "blocks.1.hook_resid_pre", "feature": 2, "label": "second", "source": "me"}
            {"site": "0.mlp", "feature": 0, "label": "an MLP's"}
            """);
        Assert.Equal(
            [new FeatureLabel("blocks.0.hook_mlp_out", 0, "an MLP's", "labels.jsonl"), new FeatureLabel(Site, 2, "second", "me")],
            LabelTable.Open(Bundle)!.ReadAll());
    }

    [Fact]
    public void A_further_import_replaces_what_it_names_and_keeps_the_rest()
    {
        Import("""
            {"site": "1", "feature": 2, "label": "old"}
            {"site": "1", "feature": 3, "label": "stays"}
            """);
        var summary = Import("""{"site": "1", "feature": 2, "label": "new"}""");
        Assert.Equal((1, 1, 2), (summary.Imported, summary.Replaced, summary.All));
        Assert.Equal(["new", "stays"], LabelTable.Open(Bundle)!.ReadAll().Select(l => l.Label));
    }

    [Fact]
    public void Circuit_tracers_files_name_a_layer_and_its_graphs_nodes()
    {
        Import("""{"layer": 1, "index": 4, "clerp": "a feature's file", "examples_quantiles": []}""", "4.json");
        Import("""
            {"metadata": {}, "nodes": [
              {"node_id": "1_5_3", "feature_type": "cross layer transcoder", "clerp": "of a graph"},
              {"node_id": "1_6_3", "feature_type": "cross layer transcoder", "clerp": ""},
              {"node_id": "E_5_3", "feature_type": "embedding", "clerp": "Emb: x"},
              {"node_id": "1_7_3", "feature_type": "cross layer transcoder", "clerp": "1.resid 7 @ x", "site": "blocks.1.hook_resid_pre",
               "feature_index": 7},
              {"node_id": "9_8_3", "feature_type": "cross layer transcoder", "clerp": "1.resid 8 @ x · ours", "feature_index": 8,
               "site": "blocks.1.hook_resid_pre", "feature_label": "ours"}]}
            """, "graph.json");
        Assert.Equal([(4, "a feature's file"), (5, "of a graph"), (8, "ours")],
            LabelTable.Open(Bundle)!.ReadAll().Select(l => (l.Feature, l.Label)));
    }

    [Fact]
    public void A_transcoders_features_are_named_by_the_site_that_it_writes_and_by_what_it_reads_where_that_has_a_dictionary()
    {
        using var golden = TranscoderGolden.Open("transcoders-plt");
        foreach (var (further, under) in ((string[], string)[])[([], "blocks.1.hook_mlp_out"),
            ([_directory["dictionaries/c"]], "blocks.1.ln2.hook_normalized")])
        {
            DictionaryFiles.Random("blocks.1.hook_mlp_out", width: 16, features: 24, seed: 5).Write(_directory["dictionaries/c"]);
            var bundle = golden.Bundle(_directory[$"transcoders-{under}"], further);
            File.WriteAllText(_directory["t.jsonl"], string.Join('\n',
                further.Length > 0 ? """{"site": "1.mlp", "feature": 2, "label": "a dictionary's"}""" : "",
                $$"""{"site": "{{under}}", "feature": 2, "label": "a transcoder's"}"""));
            LabelImport.Run(bundle, [_directory["t.jsonl"]], CancellationToken.None);
            Assert.Equal("a transcoder's", LabelTable.Open(bundle)!.ReadAll().Single(l => l.Site == under).Label);
            RunLabels Of(string? replace) => RunLabels.Of(bundle, new GraphRunRecord
            {
                ModelPath = bundle,
                BundleSha256 = LoadedModel.HashOf(bundle),
                Options = new GraphOptionsRecord { Replace = replace },
            });
            Assert.Equal("a transcoder's", Of("mlp")["blocks.1.hook_mlp_out", 2]?.Label);
            if (further.Length > 0) Assert.Equal("a dictionary's", Of(null)["blocks.1.hook_mlp_out", 2]?.Label);
        }
    }

    [Theory]
    [InlineData("""{"site": "1", "feature": 24, "label": "x"}""", "labels.jsonl", Site + " has no feature 24", Features)]
    [InlineData("""{"site": "1", "feature": -1, "label": "x"}""", "labels.jsonl", "has no feature -1", Features)]
    [InlineData("""{"site": "0.attn", "feature": 1, "label": "x"}""", "blocks.0.hook_attn_out has no dictionary", "no features to label")]
    [InlineData("""{"site": "7", "feature": 1, "label": "x"}""", "labels.jsonl", "blocks.7.hook_resid_pre", "it has no layer 7")]
    [InlineData("""{"modelId": "gpt2-small", "layer": "5-res-jb", "index": "1", "description": "x"}""", "labels.jsonl",
        "'gpt2-small/5-res-jb', which is no dictionary of this bundle", "they are gpt2-small/1-res-jb")]
    [InlineData("""{"layer": 5, "index": 1, "label": "x"}""", "is of layer 5", "say which by a key 'site'")]
    [InlineData("""{"site": "1", "label": "x"}""", "labels.jsonl is no label", "site, feature and label")]
    [InlineData("{\"site\": \"1\", \"feature\": 1, \"label\": \"x\"}\n[1]", "labels.jsonl:2 is no label", "modelId, layer, index")]
    [InlineData("{\"site\": \"1\", \"feature\": 1, \"label\": \"x\"}\n{\"site\"", "labels.jsonl:2 is not valid JSON", "JSON lines")]
    [InlineData("{\"site\": \"1\", \"feature\": 1, \"label\": \" \"}\n", "no label in it", "check the path")]
    [InlineData("", "no label in it", "check the path")]
    public void A_label_of_nothing_is_refused_with_its_line_and_nothing_is_written(string text, params string[] words)
    {
        var thrown = Assert.Throws<DashboardException>(() => Import(text));
        Assert.All(words, word => Assert.Contains(word, thrown.Message));
        Assert.False(File.Exists(Path.Combine(Bundle, LabelTable.FileName)));
    }

    [Fact]
    public void A_file_that_is_not_there_or_not_whole_is_named()
    {
        var missing = Assert.Throws<DashboardException>(() => LabelImport.Run(Bundle, [_directory["x.jsonl"]], CancellationToken.None));
        Assert.Contains("x.jsonl cannot be read", missing.Message);
        File.WriteAllBytes(_directory["b.gz"], [0x1F, 0x8B, 1, 2, 3]);
        Assert.Contains("b.gz is not the gzip file that it begins as",
            Assert.Throws<DashboardException>(() => LabelImport.Run(Bundle, [_directory["b.gz"]], CancellationToken.None)).Message);
        var longest = new string('x', 2001);
        Assert.Contains("shorten it to 2,000",
            Assert.Throws<DashboardException>(() => Import($$"""{"site": "1", "feature": 1, "label": "{{longest}}"}""")).Message);
    }

    [Fact]
    public void Labels_of_a_bundle_that_was_made_anew_are_nobodys_until_they_are_imported_again()
    {
        Import("""{"site": "1", "feature": 2, "label": "x"}""");
        var hash = LoadedModel.HashOf(Bundle);
        Assert.Equal("x", RunLabels.OfBundle(Bundle, hash)[Site, 2]?.Label);
        Assert.Null(RunLabels.OfBundle(Bundle, hash.Replace(hash[0], hash[0] == '0' ? '1' : '0'))[Site, 2]);
        // a run that does not say which bundle it is of, and one of another
        Assert.Equal("x", RunLabels.OfMoved(new GraphRunRecord(), Bundle)[Site, 2]?.Label);
        Assert.False(RunLabels.OfMoved(new GraphRunRecord { BundleSha256 = "0" }, Bundle).Any);
        File.WriteAllText(Path.Combine(Bundle, LabelTable.FileName), "damaged");
        Assert.False(RunLabels.OfBundle(Bundle, hash).Any);
    }

    private LabelSummary Import(string text, string name = "labels.jsonl")
    {
        File.WriteAllText(_directory[name], text, Encoding.UTF8);
        return LabelImport.Run(Bundle, [_directory[name]], CancellationToken.None);
    }
}
