using OnnxAttribution.Checkpoints;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Checkpoints;

/// <summary>Rotary positions as configs say them, old and new, and as they are scaled for longer contexts.</summary>
public sealed class RotaryConfigTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Newer_and_older_keys_of_rotary_positions_say_the_same()
    {
        float[] Frequencies(string json) => RotaryConfig.Read(ConfigOf(json), 64, 0.25, 10000).Frequencies;
        var old = Frequencies("{}");
        Assert.Equal(8, old.Length);
        Assert.Equal(1f, old[0]);
        Assert.Equal(old,
            Frequencies("""{"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}}"""));
        Assert.Equal(RotaryConfig.Read(ConfigOf("{}"), 64, 0.5, 500).Frequencies,
            Frequencies("""{"rope_parameters": {"rope_theta": 500.0, "partial_rotary_factor": 0.5}}"""));
        Assert.Equal(old.Select(f => f / 4), Frequencies("""{"rope_scaling": {"type": "linear", "factor": 4.0}}"""));
    }

    /// <summary>A wave of the old context / low is stretched by the factor, one of old context / high not at all.</summary>
    [Fact]
    public void Llama_3s_scaling_stretches_long_waves_only()
    {
        var plain = RotaryConfig.Read(ConfigOf("{}"), 64, 1, 500000).Frequencies;
        var scaled = RotaryConfig.Read(ConfigOf(PublishedConfigs.Llama), 64, 1, 500000).Frequencies;
        for (var i = 0; i < plain.Length; i++)
        {
            var wave = 2 * Math.PI / plain[i];
            if (wave > 8192) Assert.Equal(plain[i] / 32, scaled[i]);
            else if (wave < 2048) Assert.Equal(plain[i], scaled[i]);
            else Assert.InRange(scaled[i], plain[i] / 32, plain[i]);
        }
        Assert.Contains(Enumerable.Range(0, 32), i => scaled[i] != plain[i] && scaled[i] != plain[i] / 32);
    }

    /// <summary>Peng et al. 2023: entries that turn more than beta_fast times in the old context stay, those below beta_slow are
    /// stretched by the factor, and turned entries are strengthened by 0.1 ln(factor) + 1.</summary>
    [Fact]
    public void Yarn_stretches_slow_entries_only_and_strengthens_all()
    {
        RotaryConfig Of(string scaling) =>
            RotaryConfig.Read(ConfigOf($$"""{"max_position_embeddings": 131072, "rope_scaling": {{scaling}}}"""), 128, 1, 1e6);
        var plain = RotaryConfig.Read(ConfigOf("{}"), 128, 1, 1e6).Frequencies;
        var yarn = Of("""{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}""");
        for (var i = 0; i < plain.Length; i++)
        {
            var turns = 32768 * plain[i] / (2 * Math.PI);
            // the borders are rounded outwards to whole entries
            if (turns > 40) Assert.Equal(plain[i], yarn.Frequencies[i], 1e-6f * plain[i]);
            else if (turns < 0.8) Assert.Equal(plain[i] / 4, yarn.Frequencies[i], 1e-6f * plain[i]);
            else Assert.InRange(yarn.Frequencies[i], plain[i] / 4, plain[i]);
        }
        Assert.Equal((0.1 * Math.Log(4)) + 1, yarn.Strength, 1e-6);
        // the factor is that of the contexts where it is not said; a strength that is said counts
        Assert.Equal(yarn.Frequencies, Of("""{"rope_type": "yarn", "original_max_position_embeddings": 32768}""").Frequencies);
        Assert.Equal(1.5, Of("""{"type": "yarn", "factor": 4.0, "attention_factor": 1.5}""").Strength);
        Assert.Equal(1, Of("""{"type": "yarn", "factor": 4.0, "mscale": 0.7, "mscale_all_dim": 0.7}""").Strength);
        Assert.NotEqual(yarn.Frequencies, Of(
            """{"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768, "truncate": false}""").Frequencies);
    }

    private ConfigJson ConfigOf(string json)
    {
        File.WriteAllText(Path.Combine(_directory.Path, "config.json"), json);
        return ConfigJson.Read(Path.Combine(_directory.Path, "config.json"));
    }
}
