namespace OnnxAttribution.Checkpoints;

/// <summary>Rotary positions as config.json says: the first <paramref name="Width"/> entries of each head are turned,
/// entry i with entry i + Width/2 (Hugging Face's halves).</summary>
/// <param name="Width">Even.</param>
/// <param name="Frequencies">[Width/2], radians per position, computed in float32 as Hugging Face does.</param>
/// <param name="Strength">What turned entries are multiplied by.</param>
internal sealed record RotaryConfig(int Width, float[] Frequencies, float Strength = 1)
{
    private const string Parameters = "rope_parameters", Scaling = "rope_scaling";

    private static readonly string[] s_known =
        ["rope_type", "type", "rope_theta", "partial_rotary_factor", "factor", "low_freq_factor", "high_freq_factor",
            "original_max_position_embeddings", "beta_fast", "beta_slow", "attention_factor", "mscale", "mscale_all_dim", "truncate"];

    /// <param name="headWidth">Entries of a head.</param>
    /// <param name="share">The part of a head that is turned, unless <c>rope_parameters</c> says it.</param>
    /// <param name="theta">The base of the frequencies, unless <c>rope_parameters</c> says it.</param>
    /// <exception cref="CheckpointException">A kind of scaling that is not computed here, or a key that is not understood.</exception>
    public static RotaryConfig Read(ConfigJson json, int headWidth, double share, double theta) =>
        Read(json, json.Object(Parameters) ?? json.Object(Scaling), headWidth, share, theta);

    /// <param name="given">Which of the config's <c>rope_parameters</c> or <c>rope_scaling</c>; null: none.</param>
    /// <inheritdoc cref="Read(ConfigJson, int, double, double)"/>
    public static RotaryConfig Read(ConfigJson json, ConfigJson? given, int headWidth, double share, double theta)
    {
        if (given?.Keys.FirstOrDefault(k => !s_known.Contains(k) && given.Has(k)) is { } strange)
        {
            throw given.Refuse(strange, $"only {string.Join(", ", s_known)} are known");
        }
        share = given?.Number("partial_rotary_factor", 0, 1) ?? share;
        theta = given?.Number("rope_theta", 1, 1e12) ?? theta;
        var width = (int)(headWidth * share);
        if (width < 2 || width % 2 != 0)
        {
            throw json.Refuse(json.Has("rotary_pct") ? "rotary_pct" : json.Has(Parameters) ? Parameters : "head_dim",
                $"{width} of a head's {headWidth} entries would be turned, and entries are turned in pairs");
        }

        var frequencies = new float[width / 2];
        for (var i = 0; i < frequencies.Length; i++) frequencies[i] = 1 / MathF.Pow((float)theta, 2f * i / width);
        if (given is null) return new RotaryConfig(width, frequencies);
        return given.String(TypeKey(given)) == "yarn"
            ? new RotaryConfig(width, Yarn(json, given, (float)theta, frequencies), YarnStrength(json, given))
            : new RotaryConfig(width, Scaled(given, frequencies));
    }

    private static string TypeKey(ConfigJson given) => given.Has("rope_type") ? "rope_type" : "type";

    private static float[] Scaled(ConfigJson given, float[] frequencies)
    {
        var key = TypeKey(given);
        switch (given.String(key) ?? "default")
        {
            case "default":
                return frequencies;
            case "linear":
                var factor = Positive(given, "factor");
                return Array.ConvertAll(frequencies, f => f / factor);
            case "llama3":
                return Llama3(given, frequencies);
            default:
                throw given.Refuse(key, "only 'default', 'linear', 'llama3' and 'yarn' are");
        }
    }

    // long waves are stretched, short ones left, those between mixed
    private static float[] Llama3(ConfigJson given, float[] frequencies)
    {
        float factor = Positive(given, "factor"), low = Positive(given, "low_freq_factor"), high = Positive(given, "high_freq_factor");
        if (high <= low) throw given.Refuse("high_freq_factor", $"it must be greater than low_freq_factor, which is {low}");
        var context = (float)given.Require("original_max_position_embeddings",
            given.Integer("original_max_position_embeddings", 1, 1 << 24));
        return Array.ConvertAll(frequencies, f =>
        {
            var wave = 2 * MathF.PI / f;
            if (wave > context / low) return f / factor;
            if (wave < context / high) return f;
            var smooth = ((context / wave) - low) / (high - low);
            return ((1 - smooth) * f / factor) + (smooth * f);
        });
    }

    // entries that turn often within the old context are left, those that turn rarely stretched, those between mixed
    // (Peng et al. 2023, with Hugging Face's rounding)
    private static float[] Yarn(ConfigJson json, ConfigJson given, float theta, float[] frequencies)
    {
        var width = 2 * frequencies.Length;
        double Entry(string key, double otherwise)
        {
            var turns = given.Number(key, 1e-6, 1e6) ?? otherwise;
            return width * Math.Log(OldContext(json, given) / (turns * 2 * Math.PI)) / (2 * Math.Log(theta));
        }
        var (low, high) = (Entry("beta_fast", 32), Entry("beta_slow", 1));
        if (given.Boolean("truncate") ?? true) (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(low, 0), Math.Min(high, width - 1));
        if (low == high) high += 0.001;
        var factor = YarnFactor(json, given);
        return [.. frequencies.Select((f, i) =>
        {
            var left = 1 - Math.Clamp((i - (float)low) / (float)(high - low), 0, 1);
            return (f / factor * (1 - left)) + (f * left);
        })];
    }

    private static float YarnStrength(ConfigJson json, ConfigJson given)
    {
        if (given.Number("attention_factor", 1e-6, 1e6) is { } said) return (float)said;
        var factor = YarnFactor(json, given);
        double Strength(double scale) => factor <= 1 ? 1 : (0.1 * scale * Math.Log(factor)) + 1;
        var (one, all) = (given.Number("mscale", 0, 1e6) ?? 0, given.Number("mscale_all_dim", 0, 1e6) ?? 0);
        return (float)(one > 0 && all > 0 ? Strength(one) / Strength(all) : Strength(1));
    }

    private static float YarnFactor(ConfigJson json, ConfigJson given) =>
        given.Has("factor") || !given.Has("original_max_position_embeddings") ? Positive(given, "factor")
            : (float)Longest(json) / OldContext(json, given);

    private static int OldContext(ConfigJson json, ConfigJson given) =>
        given.Integer("original_max_position_embeddings", 1, 1 << 24) ?? Longest(json);

    private static int Longest(ConfigJson json) =>
        json.Require("max_position_embeddings", json.Integer("max_position_embeddings", 1, 1 << 24));

    private static float Positive(ConfigJson given, string key) => (float)given.Require(key, given.Number(key, 1e-6, 1e6));
}
