using System.Text.Json.Nodes;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Tests.Dictionaries;

/// <summary>Dictionaries at the edge of what their kind says:
/// equality with a threshold, fewer features than k, several scales at once.</summary>
public sealed class DictionaryBoundaryTests : IDisposable
{
    private static readonly float[] s_zero = [0, 0, 0], s_decoder = [3, 4, 0, 2, 1, 0];

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData(true), InlineData(false)]
    public void A_feature_at_its_threshold_is_not_active(bool findOnHost)
    {
        using var dictionary = Open("jumprelu", [0.5f, 0.75f, 0], ("threshold", [0.5f, 0.5f, 0]));
        Assert.Equal([(1, 0.75f)], Active(dictionary, findOnHost));
    }

    /// <summary>Nine features, so that whole vectors are compared too.</summary>
    [Theory, InlineData(true), InlineData(false)]
    public void A_feature_at_0_is_not_active(bool findOnHost)
    {
        using var dictionary = Open("standard", [0, 0, 0, 1, 0, 0, 0, -1, 0]);
        Assert.Equal([(3, 1f)], Active(dictionary, findOnHost));
    }

    [Fact]
    public void Of_the_k_largest_those_above_0_are_active()
    {
        using var dictionary = Open("topk", [1, -1, 0]);
        Assert.Equal([(0, 1f)], Active(dictionary, findOnHost: true));
    }

    [Fact]
    public void A_finetuned_scale_counts_for_every_kind()
    {
        (string, float[]) factor = ("scaling_factor", [2, 0.5f, 1]);
        using (var jump = Open("jumprelu", [1, 1, 1], ("threshold", s_zero), factor)) Assert.Equal([6, 8, 0, 1, 1, 0], Rows(jump));
        using var top = Open("topk", [1, 1, 1], factor);
        // rows of length 5, 2 and 1
        Assert.Equal([1.2f, 1.6f, 0, 0.5f, 1, 0], Rows(top));
        Assert.Equal([(0, 5f), (1, 2f), (2, 1f)], Active(top, findOnHost: true));
    }

    private static float[] Rows(SparseDictionary dictionary)
    {
        var rows = dictionary.DecoderRows([0, 1, 2], 1);
        return [.. Enumerable.Range(0, 3).SelectMany(i => rows.At(i).ToArray())];
    }

    private static IEnumerable<(int Feature, float Activation)> Active(SparseDictionary dictionary, bool findOnHost)
    {
        using var encoder = new DictionaryEncoder(new RunContext(threads: 1), packed: false, findOnHost);
        var found = encoder.Active(dictionary, (float[])[0.3f, -0.2f]);
        return found.Features(0).ToArray().Zip(found.Activations(0).ToArray());
    }

    /// <summary>Whatever it reads, its pre-activations are <paramref name="bias"/>,
    /// times the lengths of the decoder's rows where it has a k, which is 3.</summary>
    private SparseDictionary Open(string architecture, float[] bias, params (string Name, float[] Values)[] further)
    {
        long n = bias.Length;
        var folder = Directory.CreateDirectory(_directory[architecture]).FullName;
        var decoder = n == 3 ? s_decoder : Enumerable.Repeat(1f, 2 * bias.Length).ToArray();
        SafetensorsWriter.Write(Path.Combine(folder, SaeLensDictionary.WeightsFileName),
        [
            SafetensorsTensor.F32("W_enc", [2, n], () => new float[2 * n]), SafetensorsTensor.F32("b_enc", [n], () => bias),
            SafetensorsTensor.F32("W_dec", [n, 2], () => decoder), SafetensorsTensor.F32("b_dec", [2], () => new float[2]),
            .. further.Select(t => SafetensorsTensor.F32(t.Name, [n], () => t.Values)),
        ]);
        var config = new JsonObject
        {
            ["architecture"] = architecture,
            ["d_in"] = 2,
            ["d_sae"] = n,
            ["finetuning_scaling_factor"] = true,
            ["metadata"] = new JsonObject { ["hook_name"] = "blocks.0.hook_resid_pre" },
        };
        if (architecture == "topk") (config["k"], config["rescale_acts_by_decoder_norm"]) = (3, further.Length > 0);
        File.WriteAllText(Path.Combine(folder, SaeLensDictionary.ConfigFileName), config.ToJsonString());
        return new SparseDictionary(SaeLensDictionary.Open(folder));
    }
}
