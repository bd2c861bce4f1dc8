using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Checkpoints.Formats;

namespace OnnxAttribution.Tests.Checkpoints.Formats;

/// <summary>Families of published dictionaries, in small: what each encodes and rebuilds, by its own formula in double.</summary>
public sealed class PublishedFamilyTests : IDisposable
{
    private const int D = 6, N = 10, Rows = 12, K = 3;

    private readonly TemporaryDirectory _directory = new();
    private readonly float[] _encoder, _bias, _decoder, _decoderBias, _x;

    public PublishedFamilyTests()
    {
        var random = new Random(7);
        float[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => (2 * random.NextSingle()) - 1)];
        // W_enc [d, n], W_dec [n, d]
        (_encoder, _bias, _decoder, _decoderBias, _x) = (Draw(D * N), Draw(N), Draw(N * D), Draw(D), Draw(Rows * D));
    }

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData("dataset-wise", 1.5), InlineData("none", 1.0)]
    public void Llama_Scopes_inputs_are_scaled_by_their_mean_length_and_its_threshold_with_them(string norm, double length)
    {
        var s = norm == "none" ? 1 : Math.Sqrt(D) / length;
        WriteSafetensors("Llama3_1-8B-Base-L0R-8x/checkpoints/final.safetensors", Linear());
        Json("Llama3_1-8B-Base-L0R-8x/hyperparams.json", LlamaScope(norm, length));
        Is("blocks.0.hook_resid_post", DictionaryArchitecture.JumpRelu, prependBos: true, scale: s, threshold: _ => 0.3 * s);
    }

    [Fact]
    public void The_distilled_ones_thresholds_are_logarithms_in_the_weights()
    {
        float[] logs = [.. Enumerable.Range(0, N).Select(i => -2 + (0.2f * i))];
        WriteSafetensors("L0R/sae_weights.safetensors", [.. Linear(), ("log_jumprelu_threshold", [N], logs)]);
        Json("L0R/config.json",
            """{"sae_type": "sae", "hook_point_in": "blocks.0.hook_resid_post", "hook_point_out": "blocks.0.hook_resid_post","""
            + """ "d_model": 6, "act_fn": "jumprelu", "norm_activation": "none"}""");
        Is("blocks.0.hook_resid_post", DictionaryArchitecture.JumpRelu, prependBos: true, threshold: j => Math.Exp(logs[j]));
    }

    [Fact]
    public void Gemma_Scope_2_is_JumpReLU()
    {
        WriteSafetensors("layer_4/params.safetensors", [("w_enc", [D, N], _encoder), ("b_enc", [N], _bias), ("w_dec", [N, D], _decoder),
            ("b_dec", [D], _decoderBias), ("threshold", [N], [.. Enumerable.Repeat(0.3f, N)])]);
        Json("layer_4/config.json",
            """{"hf_hook_point_in": "model.layers.4.output", "hf_hook_point_out": "model.layers.4.output", "width": 10,"""
            + """ "model_name": "google/gemma-3-270m-pt", "architecture": "jump_relu", "affine_connection": false, "type": "sae"}""");
        Is("blocks.4.hook_resid_post", DictionaryArchitecture.JumpRelu, prependBos: true, threshold: _ => 0.3f);
    }

    [Theory, InlineData(true), InlineData(false)]
    public void Qwen_Scopes_k_is_said_by_a_config_or_by_its_repository(bool config)
    {
        TorchBytes.Write(_directory[$"SAE-Res-Qwen3-8B-Base-W64K-L0_{(config ? 50 : K)}/layer5.sae.pt"],
            Torch("W_enc", "b_enc", "W_dec", "b_dec"));
        if (config)
        {
            Json("SAE-Res-Qwen3-8B-Base-W64K-L0_50/config.json",
                """{"model_type": "topk_sae", "base_model": "Qwen/Qwen3-1.7B-Base", "d_model": 6, "d_sae": 10, "k": 3,"""
                + """ "hook_point": "resid_post"}""");
        }
        Is("blocks.5.hook_resid_post", DictionaryArchitecture.TopK, prependBos: false);
    }

    [Theory]
    [InlineData("Llama-3.1-8B-Instruct-SAE-l19.pth", "encoder_linear", "decoder_linear", 19),
        InlineData("DeepSeek-R1-Distill-Llama-8B-SAE-l9.pt", "encoder", "decoder", 9)]
    public void Two_linear_layers_are_ReLU_at_the_layer_that_the_name_says(string file, string encoder, string decoder, int layer)
    {
        TorchBytes.Write(_directory[file], Torch($"{encoder}.weight", $"{encoder}.bias", $"{decoder}.weight", $"{decoder}.bias"));
        Is($"blocks.{layer}.hook_resid_post", DictionaryArchitecture.Standard, prependBos: true);
    }

    [Theory]
    [InlineData("hook_point_out", "\"blocks.0.hook_mlp_out\"",
        "hook_point_out is 'blocks.0.hook_mlp_out', which is not supported; only dictionaries that rebuild their input are")]
    [InlineData("act_fn", "\"topk\"",
        "act_fn is 'topk', which is not supported; of Llama Scope's only 'jumprelu' is; load it with SAELens")]
    [InlineData("norm_activation", "\"token-wise\"",
        "norm_activation is 'token-wise', which is not supported; only 'none' and 'dataset-wise' are")]
    [InlineData("dataset_average_activation_norm", "null",
        "norm_activation is 'dataset-wise', which is not supported; without dataset_average_activation_norm")]
    [InlineData("dataset_average_activation_norm", "{\"in\": 2.0, \"out\": 3.0}", "only one length for input and output is")]
    [InlineData("jump_relu_threshold", "null", "has no key 'jump_relu_threshold'")]
    [InlineData("d_model", "8", "d_model is 8, which is not supported; the weights have 6")]
    public void What_of_Llama_Scope_would_be_computed_wrongly_is_refused(string key, string value, string problem)
    {
        WriteSafetensors("a/checkpoints/final.safetensors", Linear());
        var json = JsonNode.Parse(LlamaScope("dataset-wise", 2))!;
        json[key] = JsonNode.Parse(value);
        Json("a/hyperparams.json", json.ToJsonString());
        Assert.Contains(problem, FormatFiles.Refused(_directory.Path));
    }

    [Theory]
    [InlineData("type", "\"transcoder\"", "type is 'transcoder'"), InlineData("affine_connection", "true", "affine_connection is true"),
        InlineData("hf_hook_point_out", "\"model.layers.4.mlp\"", "not transcoders")]
    [InlineData("hf_hook_point_in", "\"model.layers.4.self_attn.o_proj.input\"", "not transcoders"),
        InlineData("architecture", "\"top_k\"", "only 'jump_relu' is")]
    public void What_of_Gemma_Scope_2_would_be_computed_wrongly_is_refused(string key, string value, string problem)
    {
        WriteSafetensors("a/params.safetensors", [("w_enc", [D, N], _encoder)]);
        var json = JsonNode.Parse(
            """{"hf_hook_point_in": "model.layers.4.output", "hf_hook_point_out": "model.layers.4.output", "architecture": "jump_relu","""
            + """ "type": "sae"}""")!;
        json[key] = JsonNode.Parse(value);
        Json("a/config.json", json.ToJsonString());
        Assert.Contains(problem, FormatFiles.Refused(_directory.Path));
    }

    [Fact]
    public void What_says_no_k_and_what_is_not_read_is_named()
    {
        TorchBytes.Write(_directory["mine/layer5.sae.pt"], Torch("W_enc", "b_enc", "W_dec", "b_dec"));
        Assert.Contains("neither a config.json beside it nor its path says k; name its folder as its repository is",
            FormatFiles.Refused(_directory.Path));
        Directory.Delete(_directory["mine"], recursive: true);
        TorchBytes.Write(_directory["samples_400000.pt"],
            new Dictionary<string, object> { ["blocks-6-hook_resid_pre.encoder.0.weight"] = TorchBytes.Tensor(0, N, D) });
        var passedOver = new List<string>();
        Assert.Empty(DictionaryFinder.FindAll(_directory.Path, passedOver.Add));
        Assert.Contains("is one of Apollo Research's end-to-end dictionaries, which are not read", Assert.Single(passedOver));
    }

    /// <summary>f = φ(s x W_enc + b_enc), x̂ = (f W_dec + b_dec) / s;
    /// without a threshold ReLU, and the k largest where it is TopK.</summary>
    private void Is(string site, DictionaryArchitecture architecture, bool prependBos, double scale = 1,
        Func<int, double>? threshold = null)
    {
        using (var found = FormatFiles.FindOne(_directory.Path))
        {
            Assert.Equal((site, architecture, prependBos, false),
                (found.Config.HookName, found.Config.Architecture, found.Config.PrependBos, found.Config.ApplyDecoderBiasToInput));
            found.Conversion!.Write(_directory["to"], "x", CancellationToken.None);
        }
        double[] f = new double[Rows * N], rebuilt = new double[Rows * D];
        for (var t = 0; t < Rows; t++)
        {
            double[] pre = [.. Enumerable.Range(0, N)
                .Select(j => _bias[j] + (scale * Enumerable.Range(0, D).Sum(i => (double)_x[(t * D) + i] * _encoder[(i * N) + j])))];
            var least = architecture == DictionaryArchitecture.TopK ? pre.OrderDescending().ElementAt(K - 1) : double.NegativeInfinity;
            for (var j = 0; j < N; j++) f[(t * N) + j] = pre[j] > (threshold?.Invoke(j) ?? 0) && pre[j] >= least ? pre[j] : 0;
            for (var i = 0; i < D; i++)
            {
                rebuilt[(t * D) + i] = (_decoderBias[i] + Enumerable.Range(0, N).Sum(j => f[(t * N) + j] * _decoder[(j * D) + i])) / scale;
            }
        }
        var (features, again) = FormatFiles.Encode(_directory["to"], _x);
        FormatFiles.Close(f, features);
        FormatFiles.Close(rebuilt, again);
        Assert.Contains(features, a => a > 0);
    }

    private static string LlamaScope(string norm, double length) => new JsonObject
    {
        ["hook_point_in"] = "blocks.0.hook_resid_post",
        ["hook_point_out"] = "blocks.0.hook_resid_post",
        ["use_decoder_bias"] = true,
        ["apply_decoder_bias_to_pre_encoder"] = false,
        ["d_model"] = D,
        ["act_fn"] = "jumprelu",
        ["jump_relu_threshold"] = 0.3,
        ["norm_activation"] = norm,
        ["dataset_average_activation_norm"] = new JsonObject { ["in"] = length, ["out"] = length },
    }.ToJsonString();

    // as PyTorch's Linear has them, [out, in]
    private IEnumerable<(string Name, long[] Shape, float[] Values)> Linear() =>
        [("encoder.weight", [N, D], Turned(_encoder, D)), ("encoder.bias", [N], _bias), ("decoder.weight", [D, N], Turned(_decoder, N)),
            ("decoder.bias", [D], _decoderBias)];

    private Dictionary<string, object> Torch(string encoder, string bias, string decoder, string decoderBias) => new()
    {
        [encoder] = (new long[] { N, D }, Turned(_encoder, D)),
        [bias] = (new long[] { N }, _bias),
        [decoder] = (new long[] { D, N }, Turned(_decoder, N)),
        [decoderBias] = (new long[] { D }, _decoderBias),
    };

    private static float[] Turned(float[] matrix, int rows)
    {
        var columns = matrix.Length / rows;
        return [.. Enumerable.Range(0, matrix.Length).Select(i => matrix[(i % rows * columns) + (i / rows)])];
    }

    private void WriteSafetensors(string path, IEnumerable<(string Name, long[] Shape, float[] Values)> tensors)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_directory[path])!);
        SafetensorsWriter.Write(_directory[path], [.. tensors.Select(t => SafetensorsTensor.F32(t.Name, t.Shape, () => t.Values))]);
    }

    private void Json(string path, string text) => File.WriteAllText(_directory[path], text);
}
