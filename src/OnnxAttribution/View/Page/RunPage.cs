using OnnxAttribution.Store;

namespace OnnxAttribution.View.Page;

/// <summary>The page that a run ends in: <c>graph.html</c> in its directory,
/// with the features' dashboards where the model's bundle has them.</summary>
internal static class RunPage
{
    /// <summary>Its name within the run directory.</summary>
    public const string FileName = "graph.html";

    /// <summary>Writes the page beside its place and renames it when whole; an older one is replaced.</summary>
    /// <param name="run">The run directory.</param>
    /// <returns>What the reader should know of what is missing; null: nothing.</returns>
    /// <remarks>A damaged features.parquet costs the page its dashboards and not the run its page.</remarks>
    /// <exception cref="RunDirectoryException">The run is damaged, or the page cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    public static string? Write(string run, CancellationToken cancel = default)
    {
        var picture = RunPicture.Read(run, cancel: cancel);
        DashboardCards cards;
        try
        {
            cards = DashboardCards.Of(picture, null, cancel);
        }
        catch (RunDirectoryException e)
        {
            cards = DashboardCards.None(e.Message);
        }
        DrawingFile.Write(Path.Combine(run, FileName), force: true, output => GraphPage.Write(picture, cards, output), cancel);
        return cards.Note;
    }

    /// <summary>Writes the page anew where the run has one, so that it shows what was added to the run.</summary>
    /// <inheritdoc cref="Write" path="/exception"/>
    public static void Refresh(string run, CancellationToken cancel = default)
    {
        if (File.Exists(Path.Combine(run, FileName))) Write(run, cancel);
    }
}
