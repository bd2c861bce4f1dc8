using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Checkpoints.Formats;

namespace OnnxAttribution.Tests.Checkpoints.Formats;

public sealed class ConversionTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    public static TheoryData<string> Sources => [.. FormatFiles.Sources];

    /// <summary>float32 arithmetic on numbers of size 1 to 10 with 6 summands: 1e-5 of the largest.</summary>
    [Theory, MemberData(nameof(Sources))]
    public void A_converted_dictionary_gives_the_numbers_of_its_own_project(string source)
    {
        FormatFiles.Copy(source, _directory["from"]);
        using (var found = FormatFiles.FindOne(_directory["from"]))
        {
            found.Conversion!.Write(_directory["to"], source, CancellationToken.None);
        }
        using var golden = FormatFiles.Golden();
        var x = Array.ConvertAll(golden.ReadDoubles($"{source}/x"), v => (float)v);
        var (dense, rebuilt) = FormatFiles.Encode(_directory["to"], x);
        Close(golden.ReadDoubles($"{source}/f"), dense);
        Close(golden.ReadDoubles($"{source}/reconstruction"), rebuilt);
        Assert.Contains(dense, f => f > 0);
        Assert.Contains(dense, f => f == 0);
    }

    [Fact]
    public void Every_published_layout_says_its_site()
    {
        var all = DictionaryFinder.FindAll(FormatFiles.Published);
        Assert.Equal(FormatFiles.Sources.Count(), all.Count);
        Assert.Equal(
        [
            "april_update/mlp_out_layer4/trainer_0/ae.pt blocks.4.hook_mlp_out standard none False",
            "dictionaries/pythia-70m-deduped/embed/10_32768/ae.pt blocks.0.hook_resid_pre standard none False",
            "dictionaries/pythia-70m-deduped/resid_out_layer3/10_32768/ae.pt blocks.3.hook_resid_post standard none False",
            "gemma-scope-2b-pt-mlp/layer_3/width_16k/average_l0_60/params.npz blocks.3.hook_mlp_out jumprelu none True",
            "gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71/params.npz blocks.20.hook_resid_post jumprelu none True",
            "gpt2-small_L0_Hcat_z_lr1.20e-03_l11.80e+00_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9.pt "
                + "blocks.0.attn.hook_z standard none True",
            "jumprelu/mlp_out_layer2/trainer_1/ae.pt blocks.2.hook_mlp_out jumprelu none False",
            "layers.9.mlp/sae.safetensors blocks.9.hook_mlp_out topk none False",
            "layers.9/sae.safetensors blocks.9.hook_resid_post topk none False",
            "matryoshka/mlp_out_layer5/trainer_0/ae.pt blocks.5.hook_mlp_out jumprelu none False",
            "pythia70m_sweep_gated_ctx128_0730/resid_post_layer_4/trainer_0/ae.pt blocks.4.hook_resid_post gated none False",
            "resid_delta_mlp/autoencoders/0.pt blocks.0.hook_mlp_out standard none False",
            "resid_post_attn_v5_128k/autoencoders/7.pt blocks.7.hook_resid_mid topk layer_norm False",
            "resid_post_mlp_v5_32k/autoencoders/5.pt blocks.5.hook_resid_post topk layer_norm False",
            "top_k/attn_out_layer1/trainer_0/ae.pt blocks.1.hook_attn_out topk none False",
            "top_k/resid_post_layer_1/trainer_0/ae.pt blocks.1.hook_resid_post jumprelu none False",
        ],
        all.Select(d => $"{Path.GetRelativePath(FormatFiles.Published, d.Place)} {d.Config.HookName} {d.Config.Architecture.Name()} "
            + $"{d.Config.Normalization.Name()} {d.Config.PrependBos}")
            .Order(StringComparer.Ordinal));
        foreach (var d in all) d.Dispose();
    }

    [Theory]
    [InlineData("gpt_neox.layers.3.attention", "blocks.3.hook_attn_out"), InlineData("model.layers.3.self_attn", "blocks.3.hook_attn_out"),
        InlineData("h.3.attn", "blocks.3.hook_attn_out")]
    [InlineData("attention_out_layer_3", "blocks.3.hook_attn_out"), InlineData("attn_out_layer3", "blocks.3.hook_attn_out"),
        InlineData("transformer.h[3].mlp", "blocks.3.hook_mlp_out")]
    [InlineData("resid_post_layer_3", "blocks.3.hook_resid_post"), InlineData("model.layers.3", "blocks.3.hook_resid_post"),
        InlineData("gpt_neox.embed_in", "blocks.0.hook_resid_pre")]
    [InlineData("blocks.3.attn.hook_z", "blocks.3.attn.hook_z"), InlineData("layers.3.mlp.gate_proj", null),
        InlineData("model.layers.3.mlp.down_proj", "blocks.3.hook_mlp_out"),
        InlineData("transformer.h.3.attn.c_proj", "blocks.3.hook_attn_out"), InlineData("layers", null)]
    public void A_modules_output_is_a_site(string module, string? site) => Assert.Equal(site, ModuleSites.Of(module));

    [Fact]
    public void Heads_were_read_from_a_model_without_value_biases()
    {
        var source = FormatFiles.Sources.Single(s => s.StartsWith("gpt2-small_L0_Hcat_z", StringComparison.Ordinal));
        FormatFiles.Copy(source, _directory["from"]);
        using var found = FormatFiles.FindOne(_directory["from"]);
        Assert.True(found.Config.FoldValueBiases);
    }

    [Fact]
    public void A_converted_dictionary_says_what_it_came_from_and_is_written_alike_again()
    {
        const string source = "resid_post_mlp_v5_32k/autoencoders/5.pt";
        FormatFiles.Copy(source, _directory["from"]);
        foreach (var to in (string[])["a", "b"])
        {
            using var found = FormatFiles.FindOne(_directory["from"]);
            found.Conversion!.Write(_directory[to], source, CancellationToken.None);
        }
        foreach (var name in (string[])["cfg.json", "sae_weights.safetensors"])
        {
            Assert.Equal(File.ReadAllBytes(Path.Combine(_directory["a"], name)), File.ReadAllBytes(Path.Combine(_directory["b"], name)));
        }
        Assert.Equal(2, Directory.GetFiles(_directory["a"]).Length);
        var from = JsonNode.Parse(File.ReadAllText(Path.Combine(_directory["a"], "cfg.json")))!["converted_from"]!;
        var bytes = File.ReadAllBytes(Path.Combine(FormatFiles.Published, source));
        Assert.Equal(("openai", source, bytes.Length, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(bytes))),
            ((string)from["format"]!, (string)from["file"]!, (int)from["bytes"]!, (string)from["sha256"]!));
        using var converted = FormatFiles.FindOne(_directory["a"]);
        Assert.True(converted.Config.IsConverted && converted.SaeLens is not null);
    }

    [Fact]
    public void A_matrix_of_many_blocks_is_transposed_as_one()
    {
        // 40,000 × 300 floats, 48 MB: two blocks of rows one way and two the other
        const int rows = 40_000, columns = 300;
        SafetensorsWriter.Write(_directory["big"],
            [SafetensorsTensor.F32("m", [rows, columns], () => Enumerable.Range(0, rows * columns).Select(i => (float)i).ToArray())]);
        using var file = MappedFile.Open(_directory["big"]);
        using var header = SafetensorsFile.Open(_directory["big"]);
        var matrix = new StridedTensor(file, "m", TensorType.F32, header.Tensors["m"].Offset, [rows, columns], [columns, 1]);
        var factors = Enumerable.Range(0, rows).Select(i => i % 2 == 0 ? 1f : 0.5f).ToArray();
        SafetensorsWriter.Write(_directory["turned"],
            [ConvertedTensor.Matrix("t", matrix.Transposed, columnFactors: factors).ToWrite("big", CancellationToken.None)]);
        using var turned = SafetensorsFile.Open(_directory["turned"]);
        var values = turned.MapFloat32("t").Span;
        for (var i = 0; i < rows; i++)
        {
            for (var k = 0; k < columns; k++)
            {
                if (values[(k * rows) + i] != ((i * columns) + k) * factors[i]) Assert.Fail($"row {i}, column {k}");
            }
        }
    }

    private static void Close(double[] expected, float[] actual) => FormatFiles.Close(expected, actual);
}
