using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.View.Page;

namespace OnnxAttribution.Cli.Reports;

/// <summary>The page that verbs leave in the runs they write.</summary>
/// <param name="File">null: none was wanted.</param>
/// <param name="Note">What the page lacks and how to get it; null: nothing.</param>
/// <param name="PeakMemory">Bytes that run.json says once the page is drawn, which counts too; null: what it said.</param>
internal sealed record PageOfRun(string? File, string? Note, long? PeakMemory = null)
{
    /// <param name="directory">A finished run.</param>
    /// <exception cref="CancelledException">Cancelled; the run stays.</exception>
    /// <exception cref="RunDirectoryException">The page cannot be written; the run stays.</exception>
    public static PageOfRun Write(string directory, bool wanted, IProgress<string> progress, CancellationToken cancel) =>
        Draw(directory, wanted, progress, () =>
        {
            var page = new PageOfRun(Path.Combine(directory, RunPage.FileName), RunPage.Write(directory, cancel), RunContext.PeakMemory());
            RunDirectory.Amend(directory, new RunAddition { PeakMemoryBytes = page.PeakMemory }, cancel);
            return page;
        });

    /// <summary>The same of a dataset's mean, whose run.json says nothing of how it was made.</summary>
    /// <inheritdoc cref="Write"/>
    public static PageOfRun OfMean(string directory, bool wanted, IProgress<string> progress, CancellationToken cancel) =>
        Draw(directory, wanted, progress, () => new(Path.Combine(directory, RunPage.FileName), RunPage.Write(directory, cancel)));

    /// <summary>Writes the page that lists a batch's prompts.</summary>
    /// <returns>The file.</returns>
    /// <inheritdoc cref="Write" path="/exception"/>
    public static string OfBatch(string directory, IProgress<string> progress, CancellationToken cancel) =>
        Draw(directory, true, progress, () => new(BatchPage.Write(directory, cancel: cancel), null)).File!;

    private static PageOfRun Draw(string directory, bool wanted, IProgress<string> progress, Func<PageOfRun> draw)
    {
        if (!wanted) return new PageOfRun(null, null);
        progress.Report("drawing");
        try
        {
            return draw();
        }
        catch (OperationCanceledException)
        {
            throw new CancelledException(
                $"onnx-attribution: cancelled; the run stays in {directory}, without a page: 'onnx-attribution view {directory}' draws it");
        }
        catch (RunDirectoryException e)
        {
            throw RunDirectoryException.NoPage(directory, refresh: false, e);
        }
    }

    /// <summary>Draws a run's page anew where it has one, so that it shows what the verb has added.</summary>
    /// <exception cref="CancelledException">Cancelled; what was added stays.</exception>
    /// <exception cref="RunDirectoryException">The page cannot be written; what was added stays.</exception>
    public static void Refresh(string directory, CancellationToken cancel)
    {
        try
        {
            RunPage.Refresh(directory, cancel);
        }
        catch (OperationCanceledException)
        {
            throw new CancelledException($"onnx-attribution: cancelled; {directory} was added to, its {RunPage.FileName} is the old one: "
                + $"'onnx-attribution view {directory} --force' draws it anew");
        }
        catch (RunDirectoryException e)
        {
            throw RunDirectoryException.NoPage(directory, refresh: true, e);
        }
    }

    public void Print(TextWriter output)
    {
        if (File is not null) output.WriteLine($"page {File}: open it in a browser");
        if (Note is not null) output.WriteLine($"note: {Note}");
    }
}
