using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>A run of <c>graph</c>, read back so that its prompt can be run again.</summary>
public sealed class FinishedRun
{
    private FinishedRun(string path, StoredRun stored)
    {
        (Path, Stored, Record) = (path, stored, RecordOf(path, stored));
        var options = Record.Options ?? throw Lacks("options");
        if ((options.Aggregate ?? throw Lacks("options.aggregate")) == "sum") throw ValidationException.Summed(path);
        if (options.Replace is not (null or RunNames.ReplacedMlps)) throw Lacks("options.replace");
        Tokens = [.. Record.Tokens ?? throw Lacks("tokens")];
        PatchTokens = Record.PatchTokens?.ToArray();
        Sites = Record.Sites is { Count: > 0 } sites ? sites : throw Lacks("sites");
        RecordedValues.Require(path, Record);
        Options = new GraphOptions(
            new MetricRequest(
                RecordedValues.MetricOf(path, Record) ?? throw Lacks("metric"),
                Record.Position ?? throw Lacks("position"),
                Record.TargetId,
                Record.FoilId),
            Method: EnumName.ValueOf<EffectMethod>(options.Method) ?? throw Lacks("options.method"),
            Steps: options.Steps is null or > 0 ? options.Steps ?? 10 : throw Lacks("options.steps"),
            // runs from before there was a choice
            Estimator: options.Estimator is null ? Estimator.Gradient
                : EnumName.ValueOf<Estimator>(options.Estimator) ?? throw Lacks("options.estimator"),
            Edges: options.Edges is null ? EdgeMethod.Jacobian
                : EnumName.ValueOf<EdgeMethod>(options.Edges) ?? throw Lacks("options.edges"))
        {
            ExactDepth = options.ExactDepth,
            Refine = options.Refine is null or >= 0 ? options.Refine ?? 0 : throw Lacks("options.refine"),
        };
        // which finds nothing, so that no such run was ever drawn
        if (Options is { Metric.Kind: MetricKind.Kl, Method: EffectMethod.Atp or EffectMethod.Atpstar }) throw Lacks("options.method");
        ModelPath = BundlePath.Of(path, Record.ModelPath ?? throw Lacks("model_path"));
        BundleHash = Record.BundleSha256 ?? throw Lacks("bundle_sha256");
    }

    /// <summary>The run's directory.</summary>
    public string Path { get; }

    /// <summary>The bundle's directory, as it was given when the run was made, or where that leads from the run.</summary>
    public string ModelPath { get; }

    /// <summary>Hook names of the selected sites, in the order of computation.</summary>
    public IReadOnlyList<string> Sites { get; }

    /// <summary>run.json; what is added to the run is added here too.</summary>
    public GraphRunRecord Record { get; internal set; }

    internal StoredRun Stored { get; }
    internal string BundleHash { get; }
    internal int[] Tokens { get; }
    internal int[]? PatchTokens { get; }

    /// <summary>Metric, method, estimator and edges, as they were.</summary>
    internal GraphOptions Options { get; }

    /// <summary>Reads a run of one prompt; opens nothing but the run's files.</summary>
    /// <param name="path">The run directory.</param>
    /// <param name="cancel">Stops the reading.</param>
    /// <exception cref="RunDirectoryException">The directory is no finished run, or a file is damaged.</exception>
    /// <exception cref="ValidationException">The run is of many prompts,
    /// summed over positions, or lacks what it takes to run its prompt again.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static FinishedRun Read(string path, CancellationToken cancel = default)
    {
        var run = MergedRun.Locate(path);
        return new(run, RunDirectory.Read(run, cancel));
    }

    /// <summary>Opens the model that the run was made with; the caller's.</summary>
    /// <param name="model">Where it is now; null: where it was.</param>
    /// <param name="context">Device, threads, memory budget and cancellation.</param>
    /// <exception cref="ValidationException">The model is not there, or is another.</exception>
    /// <exception cref="RunDirectoryException">run.json names a site that the model has not.</exception>
    /// <exception cref="BundleException">The bundle is damaged.</exception>
    /// <exception cref="Checkpoints.CheckpointException">A dictionary's file is missing or damaged.</exception>
    public LoadedModel Open(string? model, RunContext context)
    {
        RequireModel(Path, BundleHash, model, model ?? ModelPath);
        return RecordedValues.Open(model ?? ModelPath, Path, Sites, context, Record.Options);
    }

    /// <summary>Refuses another model than a run's, before its sites are looked for: another model may lack them.</summary>
    /// <param name="given">What was named; null: <paramref name="directory"/> is where it was.</param>
    /// <exception cref="ValidationException">The model is not there, or is another.</exception>
    internal static void RequireModel(string run, string hash, string? given, string directory)
    {
        if (given is null && !Directory.Exists(directory)) throw ValidationException.NoModel(run, directory);
        if (File.Exists(System.IO.Path.Combine(directory, BundleManifest.FileName)) && LoadedModel.HashOf(directory) != hash)
        {
            throw ValidationException.OtherModel(run, directory);
        }
    }

    private static GraphRunRecord RecordOf(string path, StoredRun stored) => stored.Record switch
    {
        MergedRunRecord merged => throw ValidationException.Merged(path, merged.Ids ?? []),
        AblationRunRecord => throw ValidationException.NotEstimated(path),
        var record => (GraphRunRecord)record,
    };

    private ValidationException Lacks(string key) => ValidationException.Lacks(Path, key);
}
