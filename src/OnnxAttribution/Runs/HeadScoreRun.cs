using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>Which score of a head is split.</summary>
/// <param name="Head">The head.</param>
/// <param name="Query">Token position; null: that of the run's metric.</param>
/// <param name="Key">Token position; null: the one that the query attends to most.</param>
public sealed record HeadScoreRequest(HeadName Head, int? Query = null, int? Key = null);

/// <summary>A score of one head in the prompt of a finished run, split into pairs of features.</summary>
public sealed class HeadScoreRun
{
    private readonly string _path;
    private readonly PromptRunRecord _record;

    private HeadScoreRun(string path, PromptRunRecord record, HeadScore score) => (_path, _record, Score) = (path, record, score);

    /// <summary>The score and its pairs.</summary>
    public HeadScore Score { get; }

    /// <summary>The site whose features the pairs are of.</summary>
    public string Site => ScoreFinder.SiteOf(Score.Head);

    /// <summary>Where <see cref="Write"/> puts the pairs.</summary>
    internal string File => RunDirectory.TableFile(_path, ScorePairRow.Table);

    /// <summary>Runs the prompt again, as far as the head, and splits.</summary>
    /// <param name="run">The run directory, of <c>graph</c> or <c>ablate</c>.</param>
    /// <param name="request">The head and its positions.</param>
    /// <param name="model">Where the run's model is now; null: where it was.</param>
    /// <param name="context">Device, threads, memory budget and cancellation.</param>
    /// <exception cref="ArgumentNullException">There is no request or no context.</exception>
    /// <exception cref="RunDirectoryException">The directory is no finished run, or a file is damaged.</exception>
    /// <exception cref="AttributionException">The run is of many prompts; the model has no such head, or no dictionary that its score could
    /// be split by; or a position is outside of the prompt, or the key after the query.</exception>
    /// <exception cref="ValidationException">The model is not there, or is another.</exception>
    /// <exception cref="BundleException">The bundle is damaged.</exception>
    /// <exception cref="Checkpoints.CheckpointException">The dictionary's file is missing or damaged.</exception>
    /// <exception cref="OperationCanceledException">The context was cancelled.</exception>
    public static HeadScoreRun Find(string run, HeadScoreRequest request, string? model, RunContext context)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(context);
        var record = RecordOf(run);
        if (record.Tokens is not { Count: > 0 } tokens || record.ModelPath is null || record.BundleSha256 is null)
        {
            throw ValidationException.Lacks(run, record.Tokens is null ? "tokens" : "model_path");
        }
        var directory = model ?? BundlePath.Of(MergedRun.Locate(run), record.ModelPath);
        FinishedRun.RequireModel(run, record.BundleSha256, model, directory);
        ScoreFinder.RequireDictionary(ModelBundle.Open(directory), request.Head);
        using var opened = LoadedModel.Open(directory, [ScoreFinder.SiteOf(request.Head)], context);
        var finder = new ScoreFinder(opened, [.. tokens], request.Head);
        return new HeadScoreRun(run, record, finder.Find(request.Query ?? record.Position ?? tokens.Count - 1, request.Key));
    }

    /// <summary>Adds the pairs to the run's score_pairs.parquet, beside those of other scores.</summary>
    /// <param name="cancel">Stops the writing, and the waiting for another writer of the same run.</param>
    /// <exception cref="RunDirectoryException">The run cannot be written, or is another than it was when it was read.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the run is as it was.</exception>
    public void Write(CancellationToken cancel = default) => ScorePairRows.Add(_path, _record, Score, cancel);

    /// <summary>Text of the token at a position.</summary>
    /// <param name="position">Token position from 0, BOS counted; the run's tokens are as many.</param>
    public string TextAt(int position) => _record.TokenStrings?.ElementAtOrDefault(position) ?? "";

    private static PromptRunRecord RecordOf(string run)
    {
        var record = RunDirectory.ReadRecord(run);
        if (record is PromptRunRecord own) return own;
        var ids = (record as MergedRunRecord)?.Ids ?? [];
        throw new AttributionException($"{run} is the mean of many prompts, and a head's score is of one; {MergedRun.OneOf(run, ids)}");
    }
}
