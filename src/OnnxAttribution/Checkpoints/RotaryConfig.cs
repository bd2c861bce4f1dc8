namespace OnnxAttribution.Checkpoints;

/// <summary>Rotary positions as config.json says: the first <paramref name="Width"/> entries of each head are turned,
/// entry i with entry i + Width/2 (Hugging Face's halves).</summary>
/// <param name="Width">Even.</param>
/// <param name="Frequencies">[Width/2], radians per position, computed in float32 as Hugging Face does.</param>
internal sealed record RotaryConfig(int Width, float[] Frequencies)
{
    private const string Parameters = "rope_parameters", Scaling = "rope_scaling";

    private static readonly string[] s_known =
        ["rope_type", "type", "rope_theta", "partial_rotary_factor", "factor", "low_freq_factor", "high_freq_factor",
            "original_max_position_embeddings"];

    /// <param name="headWidth">Entries of a head.</param>
    /// <param name="share">The part of a head that is turned, unless <c>rope_parameters</c> says it.</param>
    /// <param name="theta">The base of the frequencies, unless <c>rope_parameters</c> says it.</param>
    /// <exception cref="CheckpointException">A kind of scaling that is not computed here, or a key that is not understood.</exception>
    public static RotaryConfig Read(ConfigJson json, int headWidth, double share, double theta)
    {
        var given = json.Object(Parameters) ?? json.Object(Scaling);
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
        return new RotaryConfig(width, given is null ? frequencies : Scaled(given, frequencies));
    }

    private static float[] Scaled(ConfigJson given, float[] frequencies)
    {
        var key = given.Has("rope_type") ? "rope_type" : "type";
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
                throw given.Refuse(key, "only 'default', 'linear' and 'llama3' are");
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

    private static float Positive(ConfigJson given, string key) => (float)given.Require(key, given.Number(key, 1e-6, 1e6));
}
