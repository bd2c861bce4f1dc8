using OnnxAttribution.Dashboards;

namespace OnnxAttribution.Tests.Dashboards;

/// <summary>Made-up dashboards.</summary>
internal static class DashboardSamples
{
    public const string Hash = "0123abcd";

    public static (string Name, string Text)[] Metadata =>
        [("bundle_sha256", Hash), ("text", "a.txt"), ("tokens", "1000"), ("documents", "3")];

    /// <summary>A live feature with all there is, awkward tokens among it.</summary>
    public static FeatureDashboard Live(string site, int feature) => new(site, feature, 0.125, 1.5f, 3.25f, [100, 0, 25],
        [
            new(0, 1, [" it's", "\n\"x\\\"", "é\0", "🦆"], [0, 3.25f, 0.1f, 0]),
            new(2, 0, [$"{site}:{feature}"], [0.5f]),
        ],
        [new("a", 1.25f), new(" b", 0.5f)], [new("<|endoftext|>", -2)], [new(feature + 1, 0.75f), new(0, -0.1f)]);

    public static FeatureDashboard Dead(string site, int feature) => new(site, feature, 0, 0, 0, [], [], [], [], []);

    public static string Bundle(TemporaryDirectory at, IEnumerable<FeatureDashboard> rows)
    {
        FeatureTable.Write(at[FeatureTable.FileName], rows, Metadata, CancellationToken.None);
        return at.Path;
    }

    public static void Equal(FeatureDashboard expected, FeatureDashboard actual) => Assert.Equivalent(expected, actual, strict: true);
}
