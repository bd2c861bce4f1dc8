namespace OnnxAttribution.Checkpoints;

/// <summary>Scaling factors of published dictionaries whose cfg.json says that there is one, but not which:
/// SAELens keeps them in its table of releases.</summary>
/// <remarks>Source: SAELens, pretrained_saes.yaml, <c>norm_scaling_factor</c>.</remarks>
internal static class PublishedFactors
{
    private const string MlpRelease = "gpt2-small-mlp-tm";

    // by layer
    private static readonly double[] s_mlp =
    [
        1.049317316132615, 2.3693984005104283, 1.6411934982190302, 1.8958522157897557, 1.81673478700627, 1.550234472245924,
        1.3237742807210804, 1.1042905114723296, 0.9123762783479742, 0.6955335635232373, 0.3619728926727644, 0.2851548652550073,
    ];

    /// <summary>tommmcgrath/gpt2-small-mlp-out-saes, told by all that its cfg.json says;
    /// null: no dictionary of a release that is known.</summary>
    public static (double Factor, string Release)? Of(ConfigJson json)
    {
        if (json.String("model_name") is not ("gpt2" or "gpt2-small") || !json.Has("hook_point")) return null;
        if (json.Integer("d_in", 1, int.MaxValue) != 768 || json.Integer("d_sae", 1, int.MaxValue) != 24576
            || json.Integer("context_size", 1, int.MaxValue) is not (null or 512))
        {
            return null;
        }
        for (var layer = 0; layer < s_mlp.Length; layer++)
        {
            if (json.String("hook_point") == $"blocks.{layer}.hook_mlp_out") return (s_mlp[layer], MlpRelease);
        }
        return null;
    }
}
