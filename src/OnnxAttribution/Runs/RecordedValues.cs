using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>Whether a prompt can be run again by what its run.json says of it.
/// Where it cannot, the file is at fault and no option: a message names the file and the key.</summary>
internal static class RecordedValues
{
    /// <summary>Refuses values that do not fit each other.</summary>
    /// <param name="run">The run's directory.</param>
    /// <exception cref="RunDirectoryException">A value is one that no run has.</exception>
    public static void Require(string run, PromptRunRecord record) => Require(run, InRecord(record));

    /// <summary>Refuses values that do not fit each other, or not the model.</summary>
    /// <inheritdoc cref="Require(string, PromptRunRecord)"/>
    public static void Require(string run, PromptRunRecord record, LoadedModel model) =>
        Require(run, InRecord(record) ?? InModel(record, model));

    /// <summary>The metric of a run.</summary>
    /// <returns>null where run.json has none.</returns>
    /// <exception cref="RunDirectoryException">It is none that there is.</exception>
    public static MetricKind? MetricOf(string run, RunRecord record)
    {
        if (record.Metric is not { } name) return null;
        if (!Metric.Names.Contains(name)) Require(run, $"'metric' is '{name}' where one of {string.Join(", ", Metric.Names)} belongs");
        return Metric.KindOf(name);
    }

    /// <summary>The metric of a dataset's graphs.</summary>
    /// <returns>null where dataset.json has none.</returns>
    /// <exception cref="RunDirectoryException">It is none that there is.</exception>
    public static MetricKind? MetricOf(DatasetDirectory dataset)
    {
        if (dataset.Record.Metric is not { } name) return null;
        return Metric.Names.Contains(name) ? Metric.KindOf(name)
            : throw RunDirectoryException.Corrupt(Path.Combine(dataset.Path, RunNames.DatasetFile),
                $"'metric' is '{name}' where one of {string.Join(", ", Metric.Names)} belongs");
    }

    /// <summary>Opens a model at the sites of a run.</summary>
    /// <param name="directory">The bundle's.</param>
    /// <param name="options">The run's; null: nothing is replaced.</param>
    /// <exception cref="RunDirectoryException">The bundle has no such site.</exception>
    /// <exception cref="BundleException">The bundle is damaged.</exception>
    public static LoadedModel Open(string directory, string run, IReadOnlyList<string>? sites, RunContext context,
        GraphOptionsRecord? options = null)
    {
        try
        {
            return options?.Replace is null ? LoadedModel.Open(directory, sites, context)
                : LoadedModel.OpenSelected(directory, new ModelSelection(sites, MlpReplacement.Mlp)
                {
                    ZeroPositions = options.ZeroPositions,
                    IsOfRun = true,
                }, context);
        }
        catch (BundleException e) when (e.UnknownSite is { } name)
        {
            throw Damaged(run, $"'sites' holds '{name}', and {directory} has no such site", e);
        }
    }

    private static void Require(string run, string? fault)
    {
        if (fault is not null) throw Damaged(run, fault);
    }

    private static RunDirectoryException Damaged(string run, string fault, Exception? inner = null) =>
        RunDirectoryException.Corrupt(Path.Combine(run, RunNames.RecordFile), fault, inner);

    private static string? InRecord(PromptRunRecord record)
    {
        if (record.Tokens is not { } tokens) return null;
        return tokens.Count == 0 ? "'tokens' is empty"
            : record.Position is { } position && (position < 0 || position >= tokens.Count)
                ? $"'position' is {position}, and the prompt's tokens are 0 to {tokens.Count - 1}"
            : record.PatchTokens is { } patch && patch.Count != tokens.Count
                ? $"'patch_tokens' are {patch.Count}, and 'tokens' {tokens.Count}"
            : null;
    }

    private static string? InModel(PromptRunRecord record, LoadedModel model) =>
        record.Tokens?.Count > model.ContextLength
            ? $"'tokens' are {record.Tokens.Count}, and the model's context holds {model.ContextLength}"
            : NoToken("tokens", record.Tokens, model) ?? NoToken("patch_tokens", record.PatchTokens, model)
                ?? NoToken("target_id", One(record.TargetId), model) ?? NoToken("foil_id", One(record.FoilId), model);

    private static IReadOnlyList<int> One(int? token) => token is { } t ? [t] : [];

    private static string? NoToken(string key, IReadOnlyList<int>? ids, LoadedModel model)
    {
        foreach (var id in ids ?? [])
        {
            if (id < 0 || id >= model.VocabularySize)
            {
                return $"'{key}' holds {id}, and the model's token ids are 0 to {model.VocabularySize - 1}";
            }
        }
        return null;
    }
}
