using OnnxAttribution.Store;

namespace OnnxAttribution.View;

/// <summary>The prompts that a mean is of, read from the runs beside it or from its dataset: what was asked of each, and in how many of
/// their own graphs a feature or an edge is kept.</summary>
/// <param name="counts">null: not known.</param>
internal sealed class MergedPrompts(KeptCounts? counts)
{
    /// <summary>More are not listed.</summary>
    public const int Most = 200;

    public static MergedPrompts None { get; } = new(null);

    /// <summary>The first of them, in the order of the batch; empty where they are not known.</summary>
    public IReadOnlyList<MergedPrompt> First { get; private init; } = [];

    /// <summary>How many there are; 0: they are not known.</summary>
    public int Count { get; private init; }

    /// <summary>Between which values the metric lies in the clean runs; NaN where none is known.</summary>
    public (double Least, double Most) Values { get; private init; } = (double.NaN, double.NaN);

    private bool HaveSameTokens { get; init; }

    /// <summary>How many prompts keep a feature, or a site's error, at whatever position; null: not known.</summary>
    public int? Having(string site, int feature) => counts?.Of(site, feature);

    /// <summary>How many prompts keep an edge, at whatever positions; null: not known.</summary>
    /// <param name="down">null: the metric.</param>
    public int? Having((string Site, int Feature) up, (string Site, int Feature)? down) => counts?.Of(up, down);

    /// <summary>Whether one number can be the metric of all: whose tokens differ have different metrics, and of whom nothing is known it is
    /// not said.</summary>
    public bool AreOfOneMetric(PictureHeader header) => !header.IsMerged || HaveSameTokens;

    /// <param name="run">A run directory.</param>
    /// <param name="record">Its run.json.</param>
    /// <exception cref="RunDirectoryException">The dataset is damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static MergedPrompts Of(string run, RunRecord record, CancellationToken cancel) => record is not MergedRunRecord merged ? None
        : MergedRun.DatasetOf(run) is { } dataset ? OfDataset(run, dataset, merged, cancel)
        : merged.Ids is { Count: > 0 } ids ? OfBatch(run, ids, cancel)
        : None;

    private static MergedPrompts OfBatch(string run, IReadOnlyList<string> ids, CancellationToken cancel)
    {
        var (batch, here) = (MergedRun.BatchOf(run), Path.GetFullPath(run));
        var first = new List<MergedPrompt>();
        var (tokens, values, runs) = (new HashSet<(string?, string?)>(), new List<double>(), new List<string>());
        foreach (var id in ids)
        {
            cancel.ThrowIfCancellationRequested();
            var (directory, own) = MergedRun.RunOf(batch, id);
            var header = own is null ? null : new PictureHeader(own);
            if (first.Count < Most)
            {
                first.Add(header is null ? new(id, "", "its run is not there any more", double.NaN, null)
                    : new(id, header.Prompt ?? "", header.MetricWords, header.CleanMetric, PageAddress.Of(directory!, here)));
            }
            if (header is null) continue;
            runs.Add(directory!);
            tokens.Add((header.Target, header.Foil));
            if (!double.IsNaN(header.CleanMetric)) values.Add(header.CleanMetric);
        }
        // of a run that was taken away since nothing is known, and so not of all
        var areAll = runs.Count == ids.Count;
        return new MergedPrompts(areAll ? KeptCounts.OfRuns(runs, cancel) : null)
        {
            First = first,
            Count = ids.Count,
            HaveSameTokens = areAll && tokens.Count == 1,
            Values = values.Count == 0 ? (double.NaN, double.NaN) : (values.Min(), values.Max()),
        };
    }

    private static MergedPrompts OfDataset(string run, string dataset, MergedRunRecord record, CancellationToken cancel)
    {
        if (DatasetPrompts.Of(dataset, Most, cancel) is not { } prompts) return None;
        return new MergedPrompts(record.Prompts is { } count ? KeptCounts.OfMean(run, count, cancel) : null)
        {
            First = [.. prompts.First.Select(row => new MergedPrompt(row.Run, row.Prompt ?? "",
                row.Error ?? PictureHeader.WordsOf(record.Metric, row.Target, row.Foil), row.CleanMetric, null))],
            Count = prompts.Count,
            HaveSameTokens = prompts.AreOfOneMetric,
            Values = (prompts.Least, prompts.Most),
        };
    }
}

/// <summary>One of them.</summary>
/// <param name="Metric">In words, or why it has no graph.</param>
/// <param name="Value">Its clean value; NaN where it is not known.</param>
/// <param name="Page">Address of its own page, relative to the merged run's; null: it has none.</param>
internal sealed record MergedPrompt(string Id, string Text, string Metric, double Value, string? Page);
