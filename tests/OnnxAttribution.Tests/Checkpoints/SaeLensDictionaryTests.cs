using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Tests.Checkpoints;

public sealed class SaeLensDictionaryTests : IDisposable
{
    private const string Config = """{"architecture":"standard","d_in":4,"d_sae":8,"hook_name":"blocks.0.hook_resid_pre"}""";

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_dictionary_knows_its_site_and_its_tensors()
    {
        using var dictionary = SaeLensDictionary.Open(Write("a", Config));
        Assert.Equal(("blocks.0.hook_resid_pre", 4, 8), (dictionary.HookName, dictionary.Width, dictionary.FeatureCount));
        Assert.Equal("[4, 8] [8, 4] [4]", string.Join(' ',
            new[] { dictionary.EncoderWeights, dictionary.DecoderWeights, dictionary.DecoderBias }.Select(entry => entry.ShapeText)));
        dictionary.Check.Run();
    }

    [Theory, InlineData("W_enc"), InlineData("b_enc"), InlineData("W_dec"), InlineData("b_dec")]
    public void Each_tensor_is_required_with_its_shape(string name)
    {
        void RefusedWith(Func<SafetensorsTensor, SafetensorsTensor?> change, string problem) =>
            Refused(() => SaeLensDictionary.Open(Write("a", Config, change: t => t.Name == name ? change(t) : t)), problem);
        RefusedWith(_ => null, $"has no tensor '{name}'");
        RefusedWith(_ => Tensor(name, [4, 4]), $"tensor '{name}' has shape [4, 4]");
        RefusedWith(t => SafetensorsTensor.I64(name, [.. t.Shape], () => new long[t.Shape.Aggregate((a, b) => a * b)]),
            $"tensor '{name}' has type I64");
    }

    [Theory, InlineData("scaling_factor"), InlineData("finetuning_scaling_factor")]
    public void A_scaling_factor_counts_only_where_the_config_says_so(string name)
    {
        var finetuned = Config.Replace("{", """{"finetuning_scaling_factor":true,""");
        foreach (var config in (string[])[Config, finetuned])
        {
            using var ones = SaeLensDictionary.Open(Write("a", config, [Tensor(name, [8], 1)]));
            Assert.Null(ones.ScalingFactor());
        }
        using (var other = SaeLensDictionary.Open(Write("b", finetuned, [Tensor(name, [8], 1.5f)])))
        {
            Assert.Equal(Enumerable.Repeat(1.5f, 8), other.ScalingFactor()!);
        }
        using (var without = SaeLensDictionary.Open(Write("c", finetuned))) Assert.Null(without.ScalingFactor());
        Refused(() => SaeLensDictionary.Open(Write("a", Config, [Tensor(name, [8], 1.5f)])),
            $"tensor '{name}' is not all ones, but cfg.json does not say finetuning_scaling_factor");
        Refused(() => SaeLensDictionary.Open(Write("a", Config, [Tensor(name, [7], 1.5f)])), $"tensor '{name}' has shape [7]");
    }

    [Fact]
    public void A_skip_that_the_config_does_not_speak_of_is_refused() =>
        Refused(() => SaeLensDictionary.Open(Write("a", Config, [Tensor("W_skip", [4, 4])])),
            "has tensor 'W_skip', and the architecture that cfg.json says has no skip");

    [Theory, InlineData("jumprelu", "threshold"), InlineData("gated", "r_mag"), InlineData("gated", "b_gate"), InlineData("gated", "b_mag")]
    public void Each_tensor_of_a_kind_is_required(string kind, string name) =>
        Refused(() =>
            SaeLensDictionary.Open(
                Write("a", Config.Replace("standard", kind), change: t => t.Name == "b_enc" && kind == "gated" ? null : t,
                    extra: [.. new[] { "b_gate", "b_mag", "r_mag" }.Where(n => kind == "gated" && n != name).Select(n => Tensor(n, [8]))])),
            $"has no tensor '{name}'");

    [Theory, InlineData("other"), InlineData("threshold"), InlineData("r_mag"), InlineData("b_gate"), InlineData("b_mag")]
    public void A_tensor_of_another_architecture_is_refused(string name) =>
        Refused(() => SaeLensDictionary.Open(Write("a", Config, [Tensor(name, [8])])),
            $"has tensor '{name}', which a dictionary of architecture 'standard' does not have");

    [Fact]
    public void A_weight_that_is_not_finite_is_found_when_asked()
    {
        using var dictionary =
            SaeLensDictionary.Open(Write("a", Config, change: t => t.Name == "W_dec" ? Tensor("W_dec", [8, 4], float.NaN) : t));
        Refused(() => dictionary.Check.Run(), "tensor 'W_dec' of shape [8, 4] has a NaN or infinity at flat index 0");
    }

    [Fact]
    public void A_missing_part_is_named()
    {
        Refused(() => SaeLensDictionary.Open(_directory.Path), "cfg.json: there is no such file");
        var directory = Write("a", Config);
        File.Delete(Path.Combine(directory, "sae_weights.safetensors"));
        Refused(() => SaeLensDictionary.Open(directory), "sae_weights.safetensors: there is no such file");
    }

    private string Write(string name, string config, SafetensorsTensor[]? extra = null,
        Func<SafetensorsTensor, SafetensorsTensor?>? change = null)
    {
        var directory = Directory.CreateDirectory(Path.Combine(_directory.Path, name)).FullName;
        File.WriteAllText(Path.Combine(directory, "cfg.json"), config);
        SafetensorsTensor[] tensors = [Tensor("W_enc", [4, 8]), Tensor("b_enc", [8]), Tensor("W_dec", [8, 4]), Tensor("b_dec", [4])];
        SafetensorsWriter.Write(Path.Combine(directory, "sae_weights.safetensors"),
            tensors.Select(t => change is null ? t : change(t)).Concat(extra ?? []).OfType<SafetensorsTensor>());
        return directory;
    }

    private static SafetensorsTensor Tensor(string name, long[] shape, float value = 0.5f) =>
        SafetensorsTensor.F32(name, shape, () => Enumerable.Repeat(value, (int)shape.Aggregate((a, b) => a * b)).ToArray());

    private void Refused(Action act, string problem)
    {
        var message = Assert.Throws<CheckpointException>(act).Message;
        Assert.StartsWith(_directory.Path, message);
        Assert.Contains(problem, message);
    }
}
