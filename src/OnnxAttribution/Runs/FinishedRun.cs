using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>A run of <c>graph</c>, read back so that its prompt can be run again.</summary>
public sealed class FinishedRun
{
    private FinishedRun(string path, StoredRun stored)
    {
        (Path, Stored) = (path, stored);
        if (MergedRun.Is(stored.Facts))
        {
            throw ValidationException.Merged(path, MergedRun.BatchOf(path),
                stored.Facts["ids"] is JsonArray ids ? [.. ids.Select(i => $"{i}")] : []);
        }
        if ((stored.Facts["kind"] as JsonValue)?.ToString() == "ablation") throw ValidationException.NotEstimated(path);
        var options = Fact("options", n => n.AsObject());
        T Option<T>(string key, Func<JsonNode, T> read) => Fact(options, key, read);
        if (Option("aggregate", n => (string)n!) == "sum") throw ValidationException.Summed(path);
        Tokens = Fact("tokens", Ints);
        PatchTokens = stored.Facts["patch_tokens"] is null ? null : Fact("patch_tokens", Ints);
        Sites = Fact("sites", n => n.AsArray().Select(s => (string)s!).ToArray());
        var metric = Fact("metric", n => (string)n!);
        if (!Metric.Names.Contains(metric)) throw ValidationException.Lacks(path, "metric");
        Options = new GraphOptions(
            new MetricRequest(
                Metric.KindOf(metric),
                Position: Fact("position", n => (int)n),
                Target: stored.Facts["target_id"] is null ? null : Fact("target_id", n => (int)n),
                Foil: stored.Facts["foil_id"] is null ? null : Fact("foil_id", n => (int)n)),
            Method: Option("method", n => Enum.Parse<EffectMethod>((string)n!, ignoreCase: true)),
            Steps: options["steps"] is null ? 10 : Option("steps", n => (int)n),
            // runs from before there was a choice
            Estimator: options["estimator"] is null
                ? Estimator.Gradient
                : Option("estimator", n => Enum.Parse<Estimator>((string)n!, ignoreCase: true)));
        ModelPath = BundlePath.Of(path, Fact("model_path", n => (string)n!));
        BundleHash = Fact("bundle_sha256", n => (string)n!);
    }

    public string Path { get; }

    /// <summary>The bundle's directory, as it was given when the run was made, or where that leads from the run.</summary>
    public string ModelPath { get; }

    /// <summary>Hook names of the selected sites.</summary>
    public IReadOnlyList<string> Sites { get; }

    /// <summary>run.json.</summary>
    public JsonObject Facts => Stored.Facts;

    internal StoredRun Stored { get; }
    internal string BundleHash { get; }
    internal int[] Tokens { get; }
    internal int[]? PatchTokens { get; }

    /// <summary>Metric, method and estimator, as they were.</summary>
    internal GraphOptions Options { get; }

    /// <summary>Opens nothing but the run's files.</summary>
    /// <exception cref="RunDirectoryException">The directory is no finished run, or a file is damaged.</exception>
    /// <exception cref="ValidationException">The run is of many prompts,
    /// summed over positions, or lacks what it takes to run its prompt again.</exception>
    public static FinishedRun Read(string path, CancellationToken cancel = default)
    {
        var run = MergedRun.Locate(path);
        return new(run, RunDirectory.Read(run, cancel));
    }

    /// <summary>Opens the model that the run was made with; the caller's.</summary>
    /// <param name="model">Where it is now; null: where it was.</param>
    /// <exception cref="ValidationException">The model is not there, or is another.</exception>
    /// <exception cref="BundleException">The bundle is damaged.</exception>
    public LoadedModel Open(string? model, RunContext context)
    {
        var directory = model ?? ModelPath;
        if (model is null && !Directory.Exists(directory)) throw ValidationException.NoModel(Path, directory);
        // before its sites are looked for: another model may lack them
        if (File.Exists(System.IO.Path.Combine(directory, BundleManifest.FileName)) && LoadedModel.HashOf(directory) != BundleHash)
        {
            throw ValidationException.OtherModel(Path, directory);
        }
        return LoadedModel.Open(directory, Sites, context);
    }

    private static int[] Ints(JsonNode node) => [.. node.AsArray().Select(t => (int)t!)];

    private T Fact<T>(string key, Func<JsonNode, T> read) => Fact(Stored.Facts, key, read);

    private T Fact<T>(JsonObject from, string key, Func<JsonNode, T> read)
    {
        try
        {
            return read(from[key] ?? throw ValidationException.Lacks(Path, key));
        }
        catch (Exception e) when (e is FormatException or InvalidOperationException or ArgumentException or OverflowException)
        {
            throw ValidationException.Lacks(Path, key);
        }
    }
}
