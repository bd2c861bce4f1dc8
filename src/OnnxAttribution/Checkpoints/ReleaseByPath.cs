using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

/// <summary>Tells the dictionaries of a release by where they lie: under their repository's name, as published, in a folder
/// that was cloned or fetched, or in the hub's cache.</summary>
internal static class ReleaseByPath
{
    private const string Snapshots = "snapshots";

    // what a dictionary's folder is called in its repository, to the releases that have it
    private static readonly ILookup<string, ReleasedDictionary> s_byFolder = KnownRelease.All.SelectMany(r => r.Dictionaries)
        .ToLookup(d => d.Path[(d.Path.LastIndexOf('/') + 1)..]);

    /// <summary>A dictionary's config with what its files leave unsaid, where it lies as a release has it.</summary>
    /// <param name="place">Its folder, or its file of weights.</param>
    public static DictionaryConfig Amended(string place, DictionaryConfig config) =>
        Of(place, config) is { } released ? config.With(released) : config;

    /// <param name="place">A dictionary's folder, or its file of weights.</param>
    /// <param name="config">What its files say: a dictionary for another site is none of the release's.</param>
    /// <returns>null: none that is known.</returns>
    private static ReleasedDictionary? Of(string place, DictionaryConfig config) =>
        ((string[])[RealPath.Of(place), Path.GetFullPath(place)]).Distinct()
            .Select(path => Find(path.Replace('\\', '/').Split('/'), config.OutputHookName ?? config.HookName))
            .FirstOrDefault(found => found is not null);

    private static ReleasedDictionary? Find(string[] parts, string hook)
    {
        for (var end = parts.Length; end > 0; end--)
        {
            foreach (var known in s_byFolder[parts[end - 1]])
            {
                if (Named(known.Hook) == Named(hook) && Lies(parts[..end], known)) return known;
            }
        }
        return null;
    }

    private static bool Lies(string[] parts, ReleasedDictionary known)
    {
        var path = known.Path.Split('/');
        if (parts.Length <= path.Length || !parts.AsSpan()[^path.Length..].SequenceEqual(path)) return false;
        var above = parts.AsSpan()[..^path.Length];
        var cache = $"models--{known.Repository.Replace("/", "--", StringComparison.Ordinal)}";
        return above[^1] == known.Repository.Split('/')[^1] || (above.Length > 2 && above[^2] == Snapshots && above[^3] == cache);
    }

    // what a block leaves is what the next one gets
    private static string Named(string hook) =>
        hook.Split('.') is ["blocks", var layer, "hook_resid_post"] && int.TryParse(layer, out var l)
            ? $"blocks.{l + 1}.hook_resid_pre"
            : hook;
}
