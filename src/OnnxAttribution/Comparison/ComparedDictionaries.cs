using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Comparison;

/// <summary>Whether two runs of different models have the same dictionaries, as far as their bundles are still there.</summary>
internal static class ComparedDictionaries
{
    /// <exception cref="ComparisonException">At a site that both have nodes at, they differ.</exception>
    public static void RequireSame(ComparedSide a, ComparedSide b)
    {
        if (a.Replaced != b.Replaced && a.FeatureSites.FirstOrDefault(s => IsMlp(s) && b.FeatureSites.Contains(s)) is { } replaced)
        {
            throw ComparisonException.Replaced(a.Replaced is null ? b.Run : a.Run, replaced);
        }
        if (IsSameModel(a, b) || Files(a) is not { } filesA || Files(b) is not { } filesB) return;
        foreach (var site in a.Sites.Where(b.Sites.Contains))
        {
            if (filesA.TryGetValue(site, out var one) && filesB.TryGetValue(site, out var other) && one != other)
            {
                throw ComparisonException.OtherDictionaries(a.Run, b.Run, site);
            }
        }
    }

    // where transcoders stand for MLPs, features of an MLP's output are theirs
    private static bool IsMlp(string site) => Site.TryParse(site, out var parsed) && parsed.Kind == SiteKind.Mlp;

    public static bool IsSameModel(ComparedSide a, ComparedSide b) =>
        a.Stored.Record.BundleSha256 is { } hash && hash == b.Stored.Record.BundleSha256;

    /// <summary>Whether that can be seen: both bundles are where their runs say.</summary>
    public static bool AreSeen(ComparedSide a, ComparedSide b) => Files(a) is not null && Files(b) is not null;

    // by site, the checksums of a dictionary's files; a bundle that is gone, damaged or another by now
    // cannot be looked at
    private static Dictionary<string, string>? Files(ComparedSide side)
    {
        if (side.Stored.Record.ModelPath is not { Length: > 0 } path) return null;
        var directory = BundlePath.Of(side.Run, path);
        if (!File.Exists(Path.Combine(directory, BundleManifest.FileName))) return null;
        try
        {
            return LoadedModel.HashOf(directory) == side.Stored.Record.BundleSha256 ? Files(BundleManifest.Read(directory)) : null;
        }
        catch (BundleException)
        {
            return null;
        }
    }

    private static Dictionary<string, string> Files(BundleManifest manifest) =>
        manifest.Dictionaries.GroupBy(d => d.Output ?? d.Site).ToDictionary(d => d.Key, d => string.Join(" ", manifest.Files
            .Where(f => d.Any(one => f.Key.StartsWith(one.Path + "/", StringComparison.Ordinal)))
            .OrderBy(f => Path.GetFileName(f.Key), StringComparer.Ordinal).Select(f => f.Value.Sha256)));
}
