using System.Globalization;
using OnnxAttribution.Store;

namespace OnnxAttribution.Dashboards;

/// <summary>What somebody says that a feature stands for: one row of a bundle's <c>labels.parquet</c>.</summary>
/// <param name="Site">The dictionary's site, as the bundle names it.</param>
/// <param name="Label">Any text of one line; shown through DisplayText.</param>
/// <param name="Source">Where it is from, such as <c>gpt2-small/6-res-jb by gpt-4o-mini</c>, or a file's name.</param>
/// <param name="Score">Correlation of the activations that were predicted by it with the true ones; null: not measured.</param>
internal sealed record FeatureLabel(string Site, int Feature, string Label, string Source, double? Score = null)
{
    public static IReadOnlyList<NestedColumn> Columns { get; } =
    [
        new("site", "VARCHAR", "hook name"),
        new("layer", "INTEGER", "the number in it"),
        new("kind", "VARCHAR", "as in nodes"),
        new("feature", "INTEGER", "the feature"),
        new("label", "VARCHAR", "what it is said to stand for"),
        new("source", "VARCHAR", "who says so"),
        new("score", "DOUBLE", "correlation of activations predicted by the label with true ones; NULL where it was not measured"),
    ];

    public string?[] Cells()
    {
        var site = Bundles.Site.Parse(Site);
        return
        [
            Site, site.Layer.ToString(CultureInfo.InvariantCulture), site.KindName, Feature.ToString(CultureInfo.InvariantCulture), Label,
            Source, Score?.ToString("R", CultureInfo.InvariantCulture),
        ];
    }

    /// <exception cref="FormatException">A cell is not what <see cref="Cells"/> makes.</exception>
    public static FeatureLabel Parse(string?[] cells) =>
        cells is [{ } site, _, _, { } feature, { } label, var source, var score]
        && int.TryParse(feature, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? new FeatureLabel(site, number, label, source ?? "",
                score is null ? null : double.Parse(score, CultureInfo.InvariantCulture))
            : throw new FormatException("a row is not complete");
}
