using OnnxAttribution.Store;

namespace OnnxAttribution.View.Page;

/// <summary>The page that a run ends in: <c>graph.html</c> in its directory,
/// with what the model's bundle says of the features.</summary>
internal static class RunPage
{
    /// <summary>Its name within the run directory.</summary>
    public const string FileName = PageAddress.FileName;

    /// <summary>Writes the page beside its place and renames it when whole; an older one is replaced.</summary>
    /// <param name="run">The run directory.</param>
    /// <returns>What the reader should know of what is missing; null: nothing.</returns>
    /// <remarks>A damaged bundle costs the page what it says of features and not the run its page.</remarks>
    /// <exception cref="RunDirectoryException">The run is damaged, or the page cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    public static string? Write(string run, CancellationToken cancel = default)
    {
        var picture = RunPicture.Read(run, cancel: cancel);
        var details = FeatureDetails.Of(picture, null, cancel);
        picture.Suggested = AlikeNodes.Of(picture, null, cancel);
        var file = Path.Combine(run, FileName);
        DrawingFile.Write(file, force: true, output => GraphPage.Write(picture, details, file, output), cancel);
        return details.PageNote;
    }

    /// <summary>Writes the page anew where the run has one, so that it shows what was added to the run.</summary>
    /// <inheritdoc cref="Write" path="/exception"/>
    public static void Refresh(string run, CancellationToken cancel = default)
    {
        if (File.Exists(Path.Combine(run, FileName))) Write(run, cancel);
    }
}
