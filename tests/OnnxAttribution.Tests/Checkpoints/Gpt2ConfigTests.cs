using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Tests.Checkpoints;

public sealed class Gpt2ConfigTests : IDisposable
{
    /// <summary>GPT-2 small's own config.json, shortened.</summary>
    private const string Small = """
        {"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "bos_token_id": 50256, "eos_token_id": 50256,
         "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12,
         "n_layer": 12, "n_positions": 1024, "resid_pdrop": 0.1, "summary_type": "cls_index",
         "task_specific_params": {"text-generation": {"max_length": 50}}, "vocab_size": 50257}
        """;

    private readonly TemporaryDirectory _directory = new();

    private string FilePath => Path.Combine(_directory.Path, "config.json");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void The_config_of_gpt2_small_is_read() => Assert.Equal(
        new Gpt2Config(12, 12, 768, 1024, 50257, 3072, 1e-5, Activation.GeluTanh, TieWordEmbeddings: true, 50256, 50256), Read(Small));

    [Fact]
    public void Missing_keys_have_the_defaults_of_hugging_face()
    {
        var config =
            Read("""{"model_type":"gpt2","n_layer":1,"n_head":2,"n_embd":8,"n_ctx":16,"vocab_size":9,"n_inner":null,"pruned_heads":{}}""");
        Assert.Equal(new Gpt2Config(1, 2, 8, 16, 9, 32, 1e-5, Activation.GeluTanh, TieWordEmbeddings: true, null, null), config);
        Assert.Equal(4, config.HeadWidth);
    }

    [Theory, InlineData("gelu_pytorch_tanh", "GeluTanh"), InlineData("gelu", "GeluErf")]
    public void Each_gelu_is_told_apart(string name, string expected) =>
        Assert.Equal(expected, Read(With("activation_function", name)).Activation.ToString());

    [Fact]
    public void Given_values_are_taken()
    {
        Assert.Equal(100, Read(With("n_inner", 100)).InnerWidth);
        Assert.False(Read(With("tie_word_embeddings", false)).TieWordEmbeddings);
        Assert.Equal(1e-6, Read(With("layer_norm_epsilon", 1e-6)).LayerNormEpsilon);
    }

    public static TheoryData<string, string, string> Refusals => new()
    {
        { "model_type", "\"gpt_neox\"", "model_type is 'gpt_neox', which is not supported" },
        { "activation_function", "\"relu\"", "activation_function is 'relu', which is not supported" },
        { "activation_function", "\"gelu_fast\"", "activation_function is 'gelu_fast'" },
        { "scale_attn_weights", "false", "scale_attn_weights is false" },
        { "scale_attn_by_inverse_layer_idx", "true", "scale_attn_by_inverse_layer_idx is true" },
        { "reorder_and_upcast_attn", "true", "reorder_and_upcast_attn is true" },
        { "add_cross_attention", "true", "add_cross_attention is true" },
        { "pruned_heads", "{\"0\":[1]}", "pruned_heads is {\"0\":[1]}" },
        { "quantization_config", "{\"bits\":4}", "quantization_config is {\"bits\":4}" },
        { "n_head", "11", "n_embd is 768, which is not supported; it must be a multiple of n_head, which is 11" },
        { "n_layer", "0", "n_layer is 0 where an integer from 1 to 1024" },
        { "n_layer", "-1", "n_layer is -1" },
        { "n_layer", "1.5", "n_layer is 1.5" },
        { "n_layer", "\"12\"", "n_layer is '12' where an integer" },
        { "n_layer", "null", "has no key 'n_layer'" },
        { "n_embd", "99999999999", "n_embd is 99999999999" },
        { "vocab_size", "1e300", "vocab_size is 1e300" },
        { "vocab_size", "50256", "bos_token_id is 50256 where an integer from 0 to 50255" },
        { "layer_norm_epsilon", "0", "layer_norm_epsilon is 0" },
        { "layer_norm_epsilon", "1e999", "layer_norm_epsilon is 1e999" },
        { "tie_word_embeddings", "1", "tie_word_embeddings is 1 where true or false" },
        { "model_type", "\"\\ud800\"", "model_type is not valid Unicode" },
    };

    [Theory, MemberData(nameof(Refusals))]
    public void What_is_not_understood_is_refused_by_name(string key, string value, string problem)
    {
        var json = JsonNode.Parse(Small)!.AsObject();
        json.Remove(key);
        Refused($"{json.ToJsonString()[..^1]},\"{key}\":{value}}}", problem);
    }

    [Theory, InlineData("", "not valid JSON"), InlineData("[]", "holds a JSON Array"), InlineData("{", "not valid JSON"),
        InlineData("{\"a\":1,\"a\":1}", "has no key 'model_type'"), InlineData("{\"model_type\":\"gpt2\",\"n_head\":NaN}",
            "n_head is 'NaN' where an integer from 1 to 1024 is expected"), InlineData("{}", "has no key 'model_type'")]
    public void A_file_that_is_no_config_is_refused(string json, string problem) => Refused(json, problem);

    [Fact]
    public void Only_our_exception_leaves_a_mutated_config()
    {
        var whole = System.Text.Encoding.UTF8.GetBytes(Small);
        var files = Gen.Zip(Gen.Zip(Gen.Choose(0, whole.Length - 1), Gen.Choose(0, 255)).ListOf(2), Gen.Choose(0, 2 * whole.Length))
            .Select(pair =>
            {
                var bytes = whole.ToArray();
                foreach (var (index, value) in pair.Item1) bytes[index] = (byte)value;
                return bytes[..Math.Min(pair.Item2, bytes.Length)];
            });
        Check.One(Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(2000), Prop.ForAll(files.ToArbitrary(), bytes =>
        {
            File.WriteAllBytes(FilePath, bytes);
            return Record.Exception(() => Gpt2Config.Read(FilePath)) is null or CheckpointException;
        }));
    }

    private static string With(string key, JsonNode value)
    {
        var json = JsonNode.Parse(Small)!;
        json[key] = value;
        return json.ToJsonString();
    }

    private Gpt2Config Read(string json)
    {
        File.WriteAllText(FilePath, json);
        return Gpt2Config.Read(FilePath);
    }

    private void Refused(string json, string problem)
    {
        var message = Assert.Throws<CheckpointException>(() => Read(json)).Message;
        Assert.StartsWith($"{FilePath}: ", message);
        Assert.Contains(problem, message);
        Assert.DoesNotContain('\n', message);
    }
}
