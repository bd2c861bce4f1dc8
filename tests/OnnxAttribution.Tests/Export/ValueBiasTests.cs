using OnnxAttribution.Bundles;
using OnnxAttribution.Export;

namespace OnnxAttribution.Tests.Export;

/// <summary>fold_value_biases: attention patterns sum to 1,
/// so that what the values' biases add may as well be added behind attention.</summary>
public sealed class ValueBiasTests : IDisposable
{
    private static readonly int[] s_tokens = [256, 1, 2, 3, 250];

    private readonly TemporaryDirectory _directory = new();

    public static TheoryData<string, bool> Models =>
        new() { { "random2", false }, { "random2", true }, { "neox2", false }, { "neox2", true }, { "neox-sequential", false },
            { "neox-sequential", true }, { "qwen2", false }, { "llama2", false }, { "opt", true }, { "phi", false },
            { "gpt-neo", true }, { "qwen3-yarn", false } };

    [Theory, MemberData(nameof(Models))]
    public void Only_the_heads_change_and_by_the_same_at_every_position(string model, bool all)
    {
        using PlainSession plain = Session(model, "plain", o => Also(o, all)),
            folded = Session(model, "folded", o => Also(o, all) with { FoldValueBiases = true });
        var (before, after) = (plain.Run(s_tokens), folded.Run(s_tokens));
        var moved = 0.0;
        foreach (var name in BundleManifest.Read(_directory["plain"]).Sites.Append("logits"))
        {
            double[] change = [.. after[name].Values.Zip(before[name].Values, (a, b) => (double)a - b)];
            if (!name.EndsWith("hook_z", StringComparison.Ordinal))
            {
                Assert.All(change, c => Assert.InRange(c, -1e-4, 1e-4));
                continue;
            }
            var width = change.Length / s_tokens.Length;
            for (var i = 0; i < change.Length; i++) Assert.Equal(change[i % width], change[i], 1e-5);
            moved += change.Sum(Math.Abs);
        }
        // these have no biases to move, but for those that folding LayerNorm makes
        Assert.Equal(model is not "llama2" && (model is not "neox-sequential" || all), moved > 0.1);
        Assert.True(BundleManifest.Read(_directory["folded"]).WeightProcessing.FoldValueBiases);
    }

    [Fact]
    public void What_the_heads_of_a_gpt2_lose_is_the_bias_of_its_values()
    {
        using PlainSession plain = Session("random2", "plain", o => o),
            folded = Session("random2", "folded", o => o with { FoldValueBiases = true });
        var (before, after) = (plain.Run(s_tokens)["blocks.1.attn.hook_z"].Values, folded.Run(s_tokens)["blocks.1.attn.hook_z"].Values);
        var bias = Random2.Weight("h.1.attn.c_attn.bias")[32..];
        for (var i = 0; i < before.Length; i++) Assert.Equal((double)before[i] - after[i], bias[i % 16], 1e-5);
        Assert.False(File.Exists(Path.Combine(_directory["plain"], BundleManifest.ProcessedFileName)));
        Assert.InRange(new FileInfo(Path.Combine(_directory["folded"], BundleManifest.ProcessedFileName)).Length, 1,
            2048);   // biases alone
    }

    [Fact]
    public void Dictionaries_of_the_heads_ask_for_it_and_contradict_one_another()
    {
        DictionaryFiles.Random("blocks.0.attn.hook_z", width: 16, features: 8, seed: 1)
            .With("model_from_pretrained_kwargs", """{"fold_value_biases": true}""")
            .Write(_directory["one/a"]);
        BundleWriter.Write(new ExportOptions(Random2.Checkpoint, [_directory["one"]], _directory["asked"]));
        Assert.True(BundleManifest.Read(_directory["asked"]).WeightProcessing.FoldValueBiases);
        BundleWriter.Write(new ExportOptions(Random2.Checkpoint, [_directory["one"]], _directory["not"]) { AsTrained = false });
        Assert.False(BundleManifest.Read(_directory["not"]).WeightProcessing.FoldValueBiases);
        DictionaryFiles.Random("blocks.1.attn.hook_z", width: 16, features: 8, seed: 2)
            .With("model_from_pretrained_kwargs", """{"fold_value_biases": false}""")
            .Write(_directory["one/b"]);
        BundleWriterTests.Refused<BundleException>(() =>
            BundleWriter.Write(new ExportOptions(Random2.Checkpoint, [_directory["one"]], _directory["both"])),
            "blocks.0.attn.hook_z", "blocks.1.attn.hook_z", "--fold-value-biases");
    }

    [Fact]
    public void Dictionaries_of_other_sites_do_not_see_the_values_and_ask_for_nothing()
    {
        DictionaryFiles.Random("blocks.0.hook_resid_pre", width: 16, features: 8, seed: 1)
            .With("model_from_pretrained_kwargs", """{"fold_value_biases": true}""")
            .Write(_directory["one/a"]);
        BundleWriter.Write(new ExportOptions(Random2.Checkpoint, [_directory["one"]], _directory["bundle"]));
        Assert.False(BundleManifest.Read(_directory["bundle"]).WeightProcessing.FoldValueBiases);
    }

    public void Dispose() => _directory.Dispose();

    private static ExportOptions Also(ExportOptions o, bool all) =>
        all ? o with { FoldLayerNorm = true, CenterWritingWeights = true, CenterUnembed = true } : o;

    private PlainSession Session(string model, string name, Func<ExportOptions, ExportOptions> options)
    {
        Directory.CreateDirectory(_directory["none"]);
        var checkpoint = model == "random2" ? Random2.Checkpoint : RandomModels.Checkpoint(model);
        return new PlainSession(Random2.Bundle(checkpoint, _directory[name],
            o => options(o with { Dictionaries = [_directory["none"]], FurtherSites = [SiteKind.Z] })));
    }
}
