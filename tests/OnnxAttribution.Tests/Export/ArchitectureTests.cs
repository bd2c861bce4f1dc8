using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Export;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Export;

/// <summary>Every architecture but GPT-2's against PyTorch in float64, in a plain ONNX Runtime session;
/// float32 costs 1e-6 of the largest activation (design.md), 1e-5 is asked.</summary>
public sealed class ArchitectureTests : IDisposable
{
    private const double Tolerance = 1e-5;

    private readonly TemporaryDirectory _directory = new();

    public static TheoryData<string> Models => [.. RandomModels.Names];

    public void Dispose() => _directory.Dispose();

    [Theory, MemberData(nameof(Models))]
    public void Logits_and_every_hook_equal_those_of_pytorch(string model)
    {
        using var golden = GoldenCase.Open($"{model}-hooks");
        using var session = new PlainSession(Export(model));
        var hooks = golden.Facts["hooks"]!.AsArray().Select(h => (string)h!).ToList();
        Assert.Equal(hooks.Append("logits").Order(StringComparer.Ordinal), session.Outputs.Order(StringComparer.Ordinal));
        var found = session.Run(golden.Tokens);
        GoldenTests.Close(golden["logits"], found["logits"].Values, Tolerance, "logits");
        foreach (var hook in hooks)
        {
            var (shape, values) = found[hook];
            Assert.Equal([1, .. golden.Shape($"hook/{hook}")], shape);
            GoldenTests.Close(golden[$"hook/{hook}"], values, Tolerance, hook);
        }
    }

    [Theory, MemberData(nameof(Models))]
    public void Prompts_of_a_batch_do_not_see_each_other(string model)
    {
        using var golden = GoldenCase.Open($"{model}-hooks");
        using var session = new PlainSession(Export(model));
        int[] other = [.. golden.Tokens.Reverse()];
        double[] alone = [.. session.Logits(golden.Tokens), .. session.Logits(other)];
        GoldenTests.Close(alone, session.Run([.. golden.Tokens, .. other], null, batch: 2, "logits")["logits"].Values, Tolerance, "logits");
    }

    [Theory, MemberData(nameof(Models))]
    public void Sites_stand_in_the_order_of_computation_and_parallel_sublayers_have_no_stream_between_them(string model)
    {
        Export(model);
        var manifest = BundleManifest.Read(_directory["bundle"]);
        Assert.Equal(Site.Names(2, always: true), manifest.Sites);
        Assert.Equal(!RandomModels.Parallel.Contains(model), manifest.Hooks.Contains("blocks.0.hook_resid_mid"));
        Assert.Equal(RandomModels.Config(model)["model_type"]!.GetValue<string>(), manifest.Architecture);
    }

    public static TheoryData<string, string> Processings
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var model in RandomModels.Names)
            {
                // RMSNorm leaves the mean in: centring what writes to the stream would change the model
                foreach (var plan in RandomModels.WithLayerNorm.Contains(model)
                    ? (string[])["fold_ln", "center_writing_weights", "center_unembed", "all"]
                    : RandomModels.Capped.Contains(model) ? ["fold_ln"] : ["fold_ln", "center_unembed", "both"])
                {
                    data.Add(model, plan);
                }
            }
            return data;
        }
    }

    [Theory, MemberData(nameof(Processings))]
    public void No_processing_changes_log_probabilities(string model, string plan)
    {
        using var golden = GoldenCase.Open($"{model}-hooks");
        using var session = new PlainSession(Export(model, o => plan == "both" ? o with
        {
            FoldLayerNorm = true,
            CenterUnembed = true
        } : WeightProcessingTests.Options(o, plan)));
        GoldenTests.Close(Logprobs(golden["logits"]), Logprobs(Array.ConvertAll(session.Logits(golden.Tokens), v => (double)v))
            .Select(v => (float)v), Tolerance, "log-probabilities");
    }

    [Theory, MemberData(nameof(Models))]
    public void Folding_leaves_normalisations_without_weights_and_centres_what_reads_a_layer_norm(string model)
    {
        Export(model, o => o with { FoldLayerNorm = true });
        var architecture = Architectures.Read(RandomModels.Checkpoint(model));
        using var file = SafetensorsFile.Open(Path.Combine(_directory["bundle"], BundleManifest.ProcessedFileName));
        foreach (var (linear, norm) in architecture.Blocks.SelectMany(b => b.Readers))
        {
            if (norm is null)
            {
                Assert.False(file.Tensors.ContainsKey(linear.Weight));
                continue;
            }
            var means = file.ReadFloats(linear.Weight).Chunk(linear.In).Select(row => Math.Abs(row.Average()));
            if (norm.IsRms) Assert.Contains(means, m => m > 1e-2);
            else Assert.All(means, m => Assert.InRange(m, 0, 1e-7));
            Assert.Equal(!norm.IsRms, file.Tensors.ContainsKey(linear.Bias));
        }
        // those of queries and keys, and those behind sublayers, are read by no linear layer
        var kept = architecture.Blocks.SelectMany(b => b.Norms).Where(n => n.IsKept).Select(n => n.Weight).ToHashSet();
        Assert.DoesNotContain(
            OnnxAttribution.Onnx.OnnxGraph.FromProto(OnnxFile.Read(Path.Combine(_directory["bundle"], "model.onnx"))).Ops(),
            op => op.Type is "LayerNormalization" or "RMSNormalization" && op.In[1]!.Name is var name
                && name.EndsWith(".weight", StringComparison.Ordinal) && !kept.Any(k => name.EndsWith(k, StringComparison.Ordinal)));
    }

    [Fact]
    public void Centred_writing_weights_keep_the_residual_stream_at_mean_0()
    {
        using var golden = GoldenCase.Open("neox2-hooks");
        using var session = new PlainSession(Export("neox2", o => o with { CenterWritingWeights = true }));
        foreach (var (site, (_, values)) in session.Run(golden.Tokens, null, 1, [.. BundleManifest.Read(_directory["bundle"]).Sites]))
        {
            Assert.All(values.Chunk(24), row => Assert.InRange(row.Average(), -1e-6, 1e-6));
            var expected = golden[$"hook/{site}"].Chunk(24).SelectMany(row => row.Select(v => v - row.Average())).ToArray();
            GoldenTests.Close(expected, values, Tolerance, site);
        }
    }

    public static TheoryData<string> WithRmsNorm => [.. RandomModels.Names.Except(RandomModels.WithLayerNorm)];

    [Theory, MemberData(nameof(WithRmsNorm))]
    public void Centring_writing_weights_before_rms_norm_is_refused_with_the_reason(string model)
    {
        BundleWriterTests.Refused<BundleException>(() => Export(model, o => o with { CenterWritingWeights = true }),
            RandomModels.Checkpoint(model), "RMSNorm does not take the mean out", "--center-writing-weights");
        Assert.False(Directory.Exists(_directory["bundle"]));
    }

    /// <summary>A soft cap is no constant added.</summary>
    [Fact]
    public void Centring_an_unembedding_below_a_soft_cap_is_refused_and_not_done_for_dictionaries()
    {
        BundleWriterTests.Refused<BundleException>(() => Export("gemma2", o => o with { CenterUnembed = true }),
            RandomModels.Checkpoint("gemma2"), "a soft cap of 12", "--center-unembed");
        DictionaryFiles.Random("blocks.1.hook_resid_pre", width: 20, features: 8, seed: 1)
            .With("model_from_pretrained_kwargs", """{"center_unembed": true, "fold_ln": true}""")
            .Write(_directory["dictionaries/one"]);
        var record = BundleManifest.Read(Random2.Bundle(RandomModels.Checkpoint("gemma2"), _directory["bundle"],
            o => o with { Dictionaries = [_directory["dictionaries"]] })).WeightProcessing;
        Assert.Equal((true, false), (record.FoldLayernorm, record.CenterUnembed));
    }

    [Theory, InlineData("neox2", 24, true), InlineData("llama2", 20, false)]
    public void Dictionaries_trained_on_centred_weights_have_them_centred_where_that_can_be(string model, int width, bool centred)
    {
        DictionaryFiles.Random("blocks.1.hook_resid_pre", width, features: 8, seed: 1).Write(_directory["dictionaries/one"]);
        var path = Path.Combine(_directory["dictionaries/one"], "cfg.json");
        var cfg = System.Text.Json.Nodes.JsonNode.Parse(File.ReadAllText(path))!;
        cfg["metadata"]!["model_from_pretrained_kwargs"] = new System.Text.Json.Nodes.JsonObject
        {
            ["center_writing_weights"] = true,
            ["fold_ln"] = true
        };
        File.WriteAllText(path, cfg.ToJsonString());
        var record = BundleManifest.Read(Random2.Bundle(RandomModels.Checkpoint(model), _directory["bundle"],
            o => o with { Dictionaries = [_directory["dictionaries"]] })).WeightProcessing;
        Assert.Equal((true, centred), (record.FoldLayernorm, record.CenterWritingWeights));
    }

    [Theory, InlineData("neox2", "gpt_neox."), InlineData("llama2", "model.")]
    public void Names_without_the_prefix_give_the_same_logits(string model, string prefix)
    {
        var bare = RandomModels.Rewrite(model, _directory["bare"], (name, shape, values) =>
            SafetensorsTensor.F32(name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : name, shape, () => values));
        using var golden = GoldenCase.Open($"{model}-hooks");
        using var session = new PlainSession(Random2.Bundle(bare, _directory["bundle"]));
        GoldenTests.Close(golden["logits"], session.Logits(golden.Tokens), Tolerance, "logits");
    }

    [Fact]
    public void Newer_keys_of_a_neox_s_rotary_positions_say_the_same_as_the_older_ones()
    {
        var newer = RandomModels.Rewrite("neox2", _directory["newer"], config: config =>
        {
            foreach (var (old, key) in ((string, string)[])[("rotary_pct", "partial_rotary_factor"), ("rotary_emb_base", "rope_theta")])
            {
                config[key] = config[old]!.DeepClone();
                config.Remove(old);
            }
        });
        using var golden = GoldenCase.Open("neox2-hooks");
        using var session = new PlainSession(Random2.Bundle(newer, _directory["newer-bundle"]));
        GoldenTests.Close(golden["logits"], session.Logits(golden.Tokens), Tolerance, "logits");
    }

    /// <summary>attention_bias is of the output projection too (modeling_llama.py).</summary>
    [Fact]
    public void A_llama_with_attention_biases_adds_them_to_what_attention_reads_and_writes()
    {
        int[] tokens = [256, 1, 2, 3];
        var biased = RandomModels.Rewrite("llama2", _directory["biased"], config: config => config["attention_bias"] = true);
        var path = Path.Combine(biased, CheckpointFolder.SingleFile);
        List<SafetensorsTensor> tensors = [];
        using (var file = SafetensorsFile.Open(path))
        {
            foreach (var t in file.Tensors.Values)
            {
                var values = file.ReadFloats(t.Name);
                tensors.Add(SafetensorsTensor.F32(t.Name, [.. t.Shape], () => values));
                if (t.Name.Contains("self_attn."))
                {
                    tensors.Add(SafetensorsTensor.F32(t.Name.Replace(".weight", ".bias"), [t.Shape[0]],
                        () => Enumerable.Repeat(t.Name.Contains("o_proj") ? 0.5f : 0, (int)t.Shape[0]).ToArray()));
                }
            }
        }
        SafetensorsWriter.Write(path, tensors);
        const string site = "blocks.0.hook_attn_out";
        using PlainSession plain = new(Export("llama2")), other = new(Random2.Bundle(biased, _directory["biased-bundle"]));
        var (expected, actual) = (plain.Run(tokens, null, 1, site)[site].Values, other.Run(tokens, null, 1, site)[site].Values);
        GoldenTests.Close([.. expected.Select(v => v + 0.5)], actual, Tolerance, site);
    }

    [Theory, InlineData("left out", true), InlineData("null", false), InlineData("4096", true), InlineData("8192", false)]
    public void A_mistral_looks_4096_positions_back_unless_its_config_says_otherwise(string window, bool limited)
    {
        var checkpoint = RandomModels.Rewrite("mistral", _directory["from"], config: config =>
        {
            config["max_position_embeddings"] = 8192;
            if (window == "left out") config.Remove("sliding_window");
            else config["sliding_window"] = System.Text.Json.Nodes.JsonNode.Parse(window);
        });
        var graph = OnnxAttribution.Onnx.OnnxGraph.FromProto(
            OnnxFile.Read(Path.Combine(Random2.Bundle(checkpoint, _directory["bundle"]), "model.onnx")));
        Assert.Equal(limited, graph.Ops().Any(op => op.Type == "And"));
    }

    [Theory, MemberData(nameof(Models))]
    public void Half_precision_counts_as_its_float32_values(string model)
    {
        // the upper half of a float32 is a bfloat16
        var narrow = RandomModels.Rewrite(model, _directory["narrow"],
            (name, shape, values) => SafetensorsTensor.BF16(name, shape, () => values));
        var wide = RandomModels.Rewrite(model, _directory["wide"], (name, shape, values) => SafetensorsTensor.F32(name, shape,
            () => Array.ConvertAll(values, v => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(v) & 0xFFFF0000))));
        int[] tokens = [256, 1, 2, 3, 250];
        using var a = new PlainSession(Random2.Bundle(narrow, _directory["a"]));
        using var b = new PlainSession(Random2.Bundle(wide, _directory["b"]));
        Assert.Equal(b.Logits(tokens), a.Logits(tokens));
    }

    private string Export(string model, Func<ExportOptions, ExportOptions>? options = null) =>
        Random2.Bundle(RandomModels.Checkpoint(model), _directory["bundle"], o =>
        {
            Directory.CreateDirectory(_directory["none"]);
            return options?.Invoke(o with { Dictionaries = [_directory["none"]] }) ?? o with { Dictionaries = [_directory["none"]] };
        });

    private static double[] Logprobs(double[] logits) => [.. logits.Chunk(257).SelectMany(row =>
    {
        var norm = Math.Log(row.Sum(Math.Exp));
        return row.Select(v => v - norm);
    })];
}
