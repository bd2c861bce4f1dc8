namespace OnnxAttribution.Checkpoints;

/// <summary>Tells the dictionaries of two releases by all that their <c>cfg.json</c> says, wherever they lie: the oldest of
/// GPT-2, whose files name neither themselves nor what their numbers depend on.</summary>
internal static class ReleaseByConfig
{
    private const int Width = 768, Features = 24576;

    // with the length of the texts that it was trained on
    private static readonly (string Release, int Context, bool IsContextSaid)[] s_told =
        [("gpt2-small-res-jb", 128, true), ("gpt2-small-mlp-tm", 512, false)];

    /// <returns>null: no dictionary of a release that is told so.</returns>
    public static ReleasedDictionary? Of(ConfigJson json)
    {
        if (json.String("model_name") is not ("gpt2" or "gpt2-small") || !json.Has("hook_point") || json.Has("architecture")) return null;
        if (json.Integer("d_in", 1, int.MaxValue) != Width || json.Integer("d_sae", 1, int.MaxValue) != Features) return null;
        var (hook, context) = (json.String("hook_point"), json.Integer("context_size", 1, int.MaxValue));
        return s_told.Where(t => context == t.Context || (context is null && !t.IsContextSaid))
            .SelectMany(t => KnownRelease.Named(t.Release).Single().Dictionaries)
            .FirstOrDefault(d => d.Hook == hook);
    }
}
