using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Export;

/// <summary>Weight processing against PyTorch in float64 on weights processed there.</summary>
public sealed class WeightProcessingTests : IDisposable
{
    private const double Tolerance = 1e-5;

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData("none"), InlineData("fold_ln"), InlineData("center_writing_weights"), InlineData("center_unembed"),
        InlineData("all")]
    public void Logits_and_sites_of_the_processed_model_equal_those_of_pytorch(string plan)
    {
        using var golden = GoldenCase.Open("random2-processing");
        Random2.Bundle(Random2.Checkpoint, _directory["bundle"], o => Options(o, plan));
        using var session = new PlainSession(_directory["bundle"]);
        var found = session.Run(golden.Tokens);
        GoldenTests.Close(golden[$"{plan}/logits"], found["logits"].Values, Tolerance, $"{plan} logits");
        foreach (var site in BundleManifest.Read(_directory["bundle"]).Sites)
        {
            GoldenTests.Close(golden[$"{plan}/activation/{site}"], found[site].Values, Tolerance, $"{plan} {site}");
        }
    }

    [Fact]
    public void Processed_weights_equal_those_of_pytorch()
    {
        using var golden = GoldenCase.Open("random2-processing");
        Random2.Bundle(Random2.Checkpoint, _directory["bundle"], o => Options(o, "all"));
        using var file = SafetensorsFile.Open(Path.Combine(_directory["bundle"], BundleManifest.ProcessedFileName));
        foreach (var name in (string[])["h.0.attn.c_attn.bias", "h.0.attn.c_attn.weight", "h.0.attn.c_proj.weight",
            "h.1.mlp.c_fc.bias", "wte.weight"])
        {
            GoldenTests.Close(golden[$"all/weight/{name}"], file.ReadFloats(name), Tolerance, name);
        }
        GoldenTests.Close(golden["all/weight/b_U"], file.ReadFloats(HookedGraphBuilder.ProcessedUnembeddingBias), Tolerance, "b_U");
        var unembedding = golden["all/weight/W_U"];   // [d, V]; the file's is [V, d]
        GoldenTests.Close([.. Enumerable.Range(0, unembedding.Length).Select(i => unembedding[(i % 16 * 257) + (i / 16)])],
            file.ReadFloats(HookedGraphBuilder.ProcessedUnembedding), Tolerance, "W_U");
    }

    [Theory, InlineData("fold_ln"), InlineData("center_writing_weights"), InlineData("center_unembed"), InlineData("all")]
    public void No_processing_changes_log_probabilities(string plan)
    {
        int[] tokens = [256, 1, 2, 3, 250];
        using var plain = new PlainSession(Random2.Bundle(Random2.Checkpoint, _directory["plain"]));
        using var processed = new PlainSession(Random2.Bundle(Random2.Checkpoint, _directory["processed"], o => Options(o, plan)));
        GoldenTests.Close(Logprobs(plain.Logits(tokens)), Logprobs(processed.Logits(tokens)).Select(v => (float)v), Tolerance,
            "log-probabilities");
    }

    [Fact]
    public void Bundle_json_says_what_was_done_to_the_weights()
    {
        foreach (var plan in (string[])["none", "fold_ln", "center_writing_weights", "center_unembed", "all"])
        {
            Random2.Bundle(Random2.Checkpoint, _directory[plan], o => Options(o, plan));
            var record = BundleManifest.Read(_directory[plan]).WeightProcessing;
            Assert.Equal((plan is "fold_ln" or "all", plan is "center_writing_weights" or "all", plan is "center_unembed" or "all"),
                (record.FoldLayernorm, record.CenterWritingWeights, record.CenterUnembed));
        }
    }

    [Fact]
    public void A_separate_unembedding_is_processed_like_a_tied_one()
    {
        var untied = Random2.Rewrite(_directory["untied"], (name, shape, values) =>
            name == "wte.weight"
                ? [SafetensorsTensor.F32(name, shape, () => values), SafetensorsTensor.F32("lm_head.weight", shape, () => values)]
                : [SafetensorsTensor.F32(name, shape, () => values)],
            config => config["tie_word_embeddings"] = false);
        using var golden = GoldenCase.Open("random2-processing");
        using var session = new PlainSession(Random2.Bundle(untied, _directory["bundle"], o => Options(o, "all")));
        GoldenTests.Close(golden["all/logits"], session.Logits(golden.Tokens), Tolerance, "logits");
    }

    internal static ExportOptions Options(ExportOptions options, string plan) => options with
    {
        FoldLayerNorm = plan is "fold_ln" or "all",
        CenterWritingWeights = plan is "center_writing_weights" or "all",
        CenterUnembed = plan is "center_unembed" or "all",
    };

    private static double[] Logprobs(float[] logits) => [.. logits.Chunk(257).SelectMany(row =>
    {
        var norm = Math.Log(row.Sum(v => Math.Exp(v)));
        return row.Select(v => v - norm);
    })];
}
