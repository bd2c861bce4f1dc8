using OnnxAttribution.Comparison;

namespace OnnxAttribution.View.Page;

/// <summary>Two runs on one page: that of a run, with colours that say which of the two has a node or an edge.</summary>
internal static class ComparisonPage
{
    /// <summary>Writes the page beside its place and renames it when whole.</summary>
    /// <param name="asked">Whether a file that is there is replaced; the bundle that features are read from, null: where it was when the
    /// first run was made; how much is drawn.</param>
    /// <returns>What the reader should know of what is missing; null: nothing.</returns>
    /// <exception cref="Store.RunDirectoryException">The file exists already, or it cannot be written.</exception>
    /// <exception cref="Bundles.BundleException">The bundle is none.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    public static string? Write(RunComparison comparison, string file, (bool Force, string? Model, PictureLimits Limits) asked,
        CancellationToken cancel = default)
    {
        var compared = ComparedPicture.Of(comparison, asked.Limits);
        compared.Picture.NameFrom(asked.Model);
        var details = FeatureDetails.Of(compared.Picture, asked.Model, cancel);
        DrawingFile.Write(file, asked.Force, output => GraphPage.Write(compared, details, file, output), cancel);
        return details.PageNote;
    }
}
