using OnnxAttribution.Bundles;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Store;

namespace OnnxAttribution.View;

/// <summary>The dashboards of a picture's features, as far as the model's bundle has them,
/// and what to say of those that it has not.</summary>
/// <param name="Cards">By site and feature.</param>
/// <param name="Note">What the reader should know of what is missing; null: nothing.</param>
internal sealed record DashboardCards(IReadOnlyDictionary<(string Site, int Feature), FeatureDashboard> Cards, string? Note)
{
    private const string Consequence = "features are shown without their contexts";

    /// <param name="note">Why there are none.</param>
    public static DashboardCards None(string? note) => new(new Dictionary<(string, int), FeatureDashboard>(), note);

    /// <summary>Reads the drawn features' dashboards.</summary>
    /// <param name="model">The bundle; null: where it was when the run was made.</param>
    /// <exception cref="BundleException"><paramref name="model"/> is no bundle.</exception>
    /// <exception cref="RunDirectoryException">Its features.parquet is damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static DashboardCards Of(RunPicture picture, string? model, CancellationToken cancel) =>
        Wanted(picture).Count == 0 ? None(WithoutFeatures(picture)) : In(picture, RunBundle.Of(picture, model), cancel);

    /// <param name="bundle">The run's.</param>
    /// <inheritdoc cref="Of(RunPicture, string?, CancellationToken)"/>
    public static DashboardCards In(RunPicture picture, RunBundle bundle, CancellationToken cancel)
    {
        var wanted = Wanted(picture);
        if (wanted.Count == 0) return None(WithoutFeatures(picture));
        if (bundle.Directory is not { } directory) return None(NoteOf(bundle, picture, Consequence));
        if (FeatureTable.Open(directory) is not { } table)
        {
            return None($"{directory} has no {FeatureTable.FileName}, so {Consequence}; "
                + $"'onnx-attribution features --model {directory} --text FILE' makes it");
        }
        return table.IsOf(bundle.Hash) ? new DashboardCards(table.Read(wanted, cancel), null)
            : None($"{table.Path} was made from another model, so {Consequence}; "
                + $"make it again with 'onnx-attribution features --model {directory} --text FILE --force'");
    }

    /// <summary>Why a run's bundle is not to be had, what follows from that, and what to do.</summary>
    /// <param name="consequence">Such as <c>features are shown without their contexts</c>.</param>
    public static string NoteOf(RunBundle bundle, RunPicture picture, string consequence) => $"{bundle.Fault}, so {consequence}; "
        + $"name {(bundle.IsAnother ? "the run's" : "its bundle")} with 'onnx-attribution view {Drawn(picture)} --model DIR'";

    // two runs are drawn into a file that is named
    private static string Drawn(RunPicture picture) => picture.ComparedWith is { } other
        ? $"{picture.Path} {other.Run}{(other.ByFeature ? " --align feature" : "")} --out FILE" : picture.Path;

    // of an MLP's output that a transcoder writes, the bundle's dashboards are those of another dictionary
    private static List<(string, int)> Wanted(RunPicture picture) =>
        [.. picture.Features.Where(f => !(picture.Header.IsReplaced && f.Site.Kind == SiteKind.Mlp)).Select(f => (f.Site.Name, f.Feature))];

    private static string? WithoutFeatures(RunPicture picture) =>
        picture.KeptNodes == 0 ? "no node passed the run's thresholds, so there is nothing to draw; "
            + "make the run again with a lower threshold for nodes, or keep more of them"
        : picture.Header.IsReplaced ? "features of transcoders have no dashboards yet"
        : picture.Stored.Nodes.All(n => n.Feature == NodeRow.Error) ? "no selected site has a dictionary, "
            + "so error nodes stand for its whole activation; export the model with dictionaries to see features"
        : null;
}
