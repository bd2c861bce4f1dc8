using System.Globalization;
using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>The parts of run.json that several kinds of run share. What is no number (NaN) becomes null.</summary>
internal static class RecordParts
{
    public static double? Finite(double value) => double.IsFinite(value) ? value : null;

    public static float? Finite(float value) => float.IsFinite(value) ? value : null;

    public static string[] Names(LoadedModel model) => [.. model.Selected.Select(s => s.Name)];

    public static NodeRecord Node(CausalNode node) => new(node.Site.Name, node.Position, node.Feature);

    public static T WithPrompt<T>(this T record, LoadedModel model, PromptTask task, PromptTokens tokens, bool prependBos)
        where T : PromptRunRecord => (T)((PromptRunRecord)record with
        {
            Prompt = task.Prompt,
            PatchPrompt = task.PatchPrompt,
            Id = task.Id,
            PrependBos = prependBos,
            Tokens = tokens.Clean,
            TokenStrings = [.. tokens.Clean.Select(model.TokenText)],
            PatchTokens = tokens.Patch,
            PatchTokenStrings = tokens.Patch is { } patch ? [.. patch.Select(model.TokenText)] : null,
        });

    public static T WithMetric<T>(this T record, LoadedModel model, Metric metric,
        IReadOnlyList<(int Token, float Probability)> topTokens, (float Target, float Foil) probabilities) where T : PromptRunRecord
    {
        int? target = metric.Kind == MetricKind.Kl ? null : metric.Target, foil = metric.Kind == MetricKind.LogitDiff ? metric.Foil : null;
        return (T)((PromptRunRecord)record with
        {
            Metric = Metric.NameOf(metric.Kind),
            Position = metric.Position,
            Target = target is { } a ? model.TokenText(a) : null,
            TargetId = target,
            TargetProbability = Finite(probabilities.Target),
            Foil = foil is { } b ? model.TokenText(b) : null,
            FoilId = foil,
            FoilProbability = Finite(probabilities.Foil),
            TopTokens = [.. topTokens.Select(t => new TopTokenRecord(t.Token, model.TokenText(t.Token), Finite(t.Probability)))],
        });
    }

    public static T WithProgram<T>(this T record, LoadedModel model, string? commandLine) where T : RunRecord =>
        (T)((RunRecord)record with
        {
            PeakMemoryBytes = RunContext.PeakMemory(),
            Model = model.Name,
            ModelPath = model.Path,
            NeuronpediaIds = NeuronpediaIds(model) is { Count: > 0 } ids ? ids : null,
            BundleSha256 = model.BundleHash,
            Device = EnumName.Of(model.Context.Device),
            Threads = model.Context.Threads,
            Program = ThisProgram.Name,
            Version = ThisProgram.Version,
            OnnxruntimeVersion = RunContext.RuntimeVersion,
            CommandLine = commandLine,
            FinishedAt = DateTimeOffset.UtcNow.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture),
        });

    public static GraphOptionsRecord Options(GraphRequest request, LoadedModel model)
    {
        var o = request.Graph;
        return new GraphOptionsRecord
        {
            Method = EnumName.Of(o.Method),
            Estimator = EnumName.Of(o.Estimator),
            Steps = o.Method == EffectMethod.Ig ? o.Steps : null,
            ExactDepth = o.ExactDepth,
            Targets = o.Targets is { } t ? string.Create(CultureInfo.InvariantCulture, $"top:{t.Count}") : null,
            PruneInfluence = o.Influence is { } pruned
                ? string.Create(CultureInfo.InvariantCulture, $"nodes {pruned.Nodes}, edges {pruned.Edges}") : null,
            Replace = model.IsReplaced ? RunNames.ReplacedMlps : null,
            ZeroPositions = model.IsReplaced ? model.SelectedSites.Max(s => s.ZeroPositions) : null,
            Refine = o.RefinedNodes == 0 || model.IsReplaced ? null : o.RefinedNodes,
            TopNodes = o.TopNodes,
            TopErrors = request.SumOverPositions ? null : o.LumpedBeyond,
            NodeThreshold = Finite(o.NodeThreshold),
            TopEdges = o.TopEdges,
            EdgeThreshold = Finite(o.EdgeThreshold),
            Prune = o.Prune,
            Edges = EnumName.Of(o.Edges),
            Heads = o.Heads is { } heads ? heads.Only?.ToString() ?? "all" : null,
            Sign = request.ShowAblation ? RunNames.AblationSign : "contribution",
            Aggregate = request.SumOverPositions ? "sum" : "none",
            MemoryBytes = model.Context.MemoryBudget,
        };
    }

    /// <summary>Of a mean over prompts, summed over positions; heads and outputs are of each prompt.</summary>
    public static GraphOptionsRecord OfMean(GraphRequest request, LoadedModel model) => Options(request with
    {
        SumOverPositions = true,
        Graph = request.Graph with { Heads = null, Targets = null, Influence = null },
    }, model);

    public static IReadOnlyDictionary<string, double?> BySite(IReadOnlyList<SiteShare> shares) =>
        shares.ToDictionary(s => s.Site.Name, s => Finite(s.ExplainedByFeatures));

    /// <param name="sessions">A part of the stages, not beside them.</param>
    public static IReadOnlyDictionary<string, double?> Timings(double open, double sessions, IReadOnlyDictionary<string, double> stages)
    {
        var result = new Dictionary<string, double?> { ["open"] = Finite(open) };
        foreach (var (stage, seconds) in stages) result[stage.Replace(' ', '_')] = Finite(seconds);
        result["sessions"] = Finite(sessions);
        return result;
    }

    private static Dictionary<string, string> NeuronpediaIds(LoadedModel model)
    {
        var ids = new Dictionary<string, string>();
        foreach (var site in model.Selected)
        {
            if (model.DictionaryOf(site)?.NeuronpediaId is { } id) ids[site.Name] = id;
        }
        return ids;
    }
}
