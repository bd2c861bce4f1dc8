using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>A finished run whose prompt is read again, with its model. Owns the model; who makes one disposes it.</summary>
internal sealed class LensSource : IDisposable
{
    private LensSource(LoadedModel model, PromptRunRecord record) => (Model, Record) = (model, record);

    public LoadedModel Model { get; }

    public PromptRunRecord Record { get; }

    /// <param name="run">A run directory of one prompt.</param>
    /// <param name="model">Where its model is now; null: where it was.</param>
    /// <param name="sites">Whose dictionaries are opened; null: the run's.</param>
    /// <exception cref="RunDirectoryException">The directory is no finished run, or run.json is damaged.</exception>
    /// <exception cref="AttributionException">The run is of many prompts.</exception>
    /// <exception cref="ValidationException">The model is not there, or is another.</exception>
    /// <exception cref="BundleException">The bundle is damaged, or lacks a site.</exception>
    public static LensSource Open(string run, string? model, IReadOnlyList<string>? sites, RunContext context)
    {
        if (RunDirectory.ReadRecord(run) is not PromptRunRecord record)
        {
            throw new AttributionException($"{run} is of many prompts, and a lens reads one; name one of its runs, or give the prompts");
        }
        if (record is not { Tokens.Count: > 0, ModelPath: { } path, BundleSha256: { } hash })
        {
            throw ValidationException.Lacks(run, record.Tokens is null ? "tokens" : "model_path");
        }
        var directory = model ?? BundlePath.Of(MergedRun.Locate(run), path);
        FinishedRun.RequireModel(run, hash, model, directory);
        var isReplaced = (record as GraphRunRecord)?.Options?.Replace is not null;
        var opened = LoadedModel.Open(directory, sites ?? (isReplaced ? null : record.Sites), context);
        try
        {
            RecordedValues.Require(run, record, opened);
            return new LensSource(opened, record);
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    public void Dispose() => Model.Dispose();
}
