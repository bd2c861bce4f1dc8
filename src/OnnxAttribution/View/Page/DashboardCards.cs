using OnnxAttribution.Bundles;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Model;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Page;

/// <summary>The dashboards of a picture's features, as far as the model's bundle has them,
/// and what to say of those that it has not.</summary>
/// <param name="Cards">By site and feature.</param>
/// <param name="Note">What the reader should know of what is missing; null: nothing.</param>
internal sealed record DashboardCards(IReadOnlyDictionary<(string Site, int Feature), FeatureDashboard> Cards, string? Note)
{
    /// <param name="note">Why there are none.</param>
    public static DashboardCards None(string? note) => new(new Dictionary<(string, int), FeatureDashboard>(), note);

    /// <summary>Reads the drawn features' dashboards.</summary>
    /// <param name="model">The bundle; null: where it was when the run was made.</param>
    /// <exception cref="BundleException"><paramref name="model"/> is no bundle.</exception>
    /// <exception cref="RunDirectoryException">Its features.parquet is damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static DashboardCards Of(RunPicture picture, string? model, CancellationToken cancel)
    {
        // of an MLP's output that a transcoder writes, the bundle's dashboards are those of another dictionary
        var isReplaced = picture.Header.IsReplaced;
        var wanted = picture.Nodes
            .Where(n => !n.IsMetric && !n.IsError && !n.IsToken && !(isReplaced && n.Site!.Kind == SiteKind.Mlp))
            .Select(n => (n.Site!.Name, n.Feature))
            .Distinct()
            .ToList();
        if (wanted.Count == 0) return None(WithoutFeatures(picture));
        var directory = model ?? (picture.Header.ModelPath is { } path ? BundlePath.Of(picture.Path, path) : null);
        if (model is null && (directory is null || !File.Exists(Path.Combine(directory, BundleManifest.FileName))))
        {
            return None($"the model is not at {directory ?? "a known place"} any more, so features are shown without their contexts; "
                + $"name its bundle with 'onnx-attribution view {picture.Path} --model DIR'");
        }
        var hash = HashOf(directory!);
        if (picture.Header.BundleHash is { } run && run != hash)
        {
            return None($"{directory} is another model than the run's, so features are shown without their contexts; "
                + $"name the run's with 'onnx-attribution view {picture.Path} --model DIR'");
        }
        if (FeatureTable.Open(directory!) is not { } table)
        {
            return None($"{directory} has no {FeatureTable.FileName}, so features are shown without their contexts; "
                + $"'onnx-attribution features --model {directory} --text FILE' makes it");
        }
        return table.IsOf(hash) ? new DashboardCards(table.Read(wanted, cancel), null)
            : None($"{table.Path} was made from another model, so features are shown without their contexts; "
                + $"make it again with 'onnx-attribution features --model {directory} --text FILE --force'");
    }

    private static string? WithoutFeatures(RunPicture picture) =>
        picture.KeptNodes == 0 ? "no node passed the run's thresholds, so there is nothing to draw; "
            + "make the run again with a lower threshold for nodes, or keep more of them"
        : picture.Header.IsReplaced ? "features of transcoders have no dashboards yet"
        : picture.Stored.Nodes.All(n => n.Feature == NodeRow.Error) ? "no selected site has a dictionary, "
            + "so error nodes stand for its whole activation; export the model with dictionaries to see features"
        : null;

    private static string HashOf(string directory)
    {
        BundleManifest.Read(directory);   // a bundle at all
        return LoadedModel.HashOf(directory);
    }
}
