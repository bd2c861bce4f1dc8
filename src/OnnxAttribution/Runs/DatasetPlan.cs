using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Runs;

/// <summary>What a share of a dataset would take, on a machine like this one.</summary>
/// <param name="Prompts">Prompts that have a graph, a count.</param>
/// <param name="Parts">Parts, a count.</param>
/// <param name="Seconds">Seconds from a process's start to its end, both passes.</param>
/// <param name="FileBytes">Bytes of nodes, edges and prompts.</param>
/// <param name="SumBytes">Bytes that lie beside them until the mean is there.</param>
public sealed record PlannedShare(int Prompts, int Parts, double Seconds, long FileBytes, long SumBytes);

/// <summary>What a dataset of many prompts would take, said before it is drawn.</summary>
public sealed record DatasetPlan
{
    // measured (benchmarks/*/dataset-*.json; docs/scale.md): bytes on disk of a row of nodes or edges, and of a prompt's own row
    private const int RowBytes = 17, PromptBytes = 100;

    // of sums until the mean is there: of a node, kept or not, and of an edge of the mean
    private const int NodeSumBytes = 6, EdgeSumBytes = 12;

    // lengths that are counted; between them times are taken to be straight lines
    private const int MostLengths = 12;

    /// <summary>Lines that have no graph, a count: what is wrong with each, a dry run says.</summary>
    public required int Failing { get; init; }

    /// <summary>All of it, by one process.</summary>
    public required PlannedShare Whole { get; init; }

    /// <summary>The share that was asked for; of several shares each takes about as long.</summary>
    public required PlannedShare Share { get; init; }

    /// <summary>Which share that is.</summary>
    public required PromptShard Shard { get; init; }

    /// <summary>Tokens of all prompts, BOS counted.</summary>
    public required long Tokens { get; init; }

    /// <summary>The longest prompt's plan: what memory has to do for.</summary>
    public required GraphPlan Longest { get; init; }

    /// <summary>Plans a dataset.</summary>
    /// <param name="model">Stays the caller's. Where its bundle does not say how many features are active, a piece of the prompt in the
    /// middle is run.</param>
    /// <param name="prompts">In words.</param>
    /// <param name="request">What would be asked of each.</param>
    /// <param name="asked">How it would be laid out, and which share is computed here; null: as the command does it.</param>
    /// <exception cref="ArgumentNullException">There is no model, no prompts or no request.</exception>
    /// <exception cref="PromptException">No prompt can be used.</exception>
    /// <exception cref="AttributionException">What was asked cannot be.</exception>
    /// <exception cref="Runtime.MemoryBudgetException">Not even one row fits the context's memory budget.</exception>
    /// <exception cref="RunDirectoryException">The bundle's features.parquet is damaged.</exception>
    /// <exception cref="TokenizerException">The model's tokenizer is missing or damaged.</exception>
    /// <exception cref="OperationCanceledException">The context was cancelled.</exception>
    public static DatasetPlan Of(LoadedModel model, IReadOnlyList<PromptTask> prompts, GraphRequest request, DatasetRequest? asked = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentNullException.ThrowIfNull(request);
        return Of(model, [.. prompts.Select(p => ((PromptTask?)p, (string?)null))], request, asked ?? new());
    }

    internal static DatasetPlan Of(LoadedModel model, IReadOnlyList<(PromptTask? Task, string? Error)> lines, GraphRequest request,
        DatasetRequest asked)
    {
        var tokens = Tokenized(model, lines, request);
        PromptTokens[] good = [.. tokens.OfType<PromptTokens>()];
        var basis = PlanBasis.Of(model, good[good.Length / 2], request.Graph);
        var lengths = new PlannedLengths(basis, good);
        var parts = (int)(((long)lines.Count + asked.PartSize - 1) / asked.PartSize);
        PlannedShare Of((int From, int To) range)
        {
            int Line(int part) => (int)Math.Min((long)part * asked.PartSize, tokens.Length);
            var own = tokens.Take(Line(range.From)..Line(range.To)).OfType<PromptTokens>().ToList();
            var (rows, nodes, edges) = (0.0, 0.0, 0.0);
            foreach (var prompt in own)
            {
                var cost = lengths.Of(prompt);
                rows += (asked.AllNodes ? cost.Nodes : cost.Kept) + cost.Edges;
                (nodes, edges) = (nodes + cost.Nodes, edges + cost.Edges);
            }
            var start = own.Count == 0 ? 0 : lengths.Longest.StartSeconds;
            return new(own.Count, range.To - range.From, start + own.Sum(p => lengths.Of(p).Seconds),
                (long)(rows * RowBytes) + ((long)own.Count * PromptBytes), (long)((nodes * NodeSumBytes) + (edges * EdgeSumBytes)));
        }
        return new DatasetPlan
        {
            Failing = lines.Count - good.Length,
            Whole = Of((0, parts)),
            Share = Of(asked.Shard.PartsOf(parts)),
            Shard = asked.Shard,
            Tokens = good.Sum(p => (long)p.Clean.Length),
            Longest = lengths.Longest,
        };
    }

    // null where a line would fail
    private static PromptTokens?[] Tokenized(LoadedModel model, IReadOnlyList<(PromptTask? Task, string? Error)> lines,
        GraphRequest request)
    {
        var (least, prependBos) = ((request.Graph.Metric.Position ?? 0) + 1, request.PrependBos ?? model.PrependsBos);
        var (tokens, wrong) = (new PromptTokens?[lines.Count], (PromptException?)null);
        foreach (var (i, (task, error)) in lines.Index())
        {
            model.Context.Cancel.ThrowIfCancellationRequested();
            try
            {
                var found = PromptTokens.Of(task ?? throw new PromptException(error!), model.Tokenizer, prependBos);
                if (found.Clean.Length <= model.ContextLength && found.Clean.Length >= least) tokens[i] = found;
            }
            catch (PromptException e)
            {
                wrong ??= new PromptException($"no prompt has a graph; of number {i + 1}: {e.Message}");
            }
        }
        return Array.Exists(tokens, t => t is not null) ? tokens
            : throw wrong ?? new PromptException($"no prompt has {least} to {model.ContextLength} tokens, as the metric and the model's "
                + "context ask for");
    }

    /// <summary>What prompts of each length take, counted at some lengths.</summary>
    private sealed class PlannedLengths
    {
        private readonly Dictionary<bool, List<(int Tokens, PromptFigures Figures)>> _counted = [];

        public PlannedLengths(PlanBasis basis, IReadOnlyList<PromptTokens> prompts)
        {
            foreach (var group in prompts.GroupBy(p => p.Patch is not null))
            {
                int[] lengths = [.. group.Select(p => p.Clean.Length).Distinct().Order()];
                var some = lengths.Length <= MostLengths ? lengths
                    : [.. Enumerable.Range(0, MostLengths).Select(i => lengths[i * (lengths.Length - 1) / (MostLengths - 1)]).Distinct()];
                _counted[group.Key] = [.. some.Select(n => (n, Figures(basis, basis.Cost.Of(n, group.Key))))];
            }
            var longest = prompts.MaxBy(p => (p.Clean.Length, p.Patch is not null))!;
            Longest = GraphPlan.Of(basis, basis.Cost.Of(longest.Clean.Length, longest.Patch is not null));
        }

        public GraphPlan Longest { get; }

        public PromptFigures Of(PromptTokens prompt)
        {
            var (counted, n) = (_counted[prompt.Patch is not null], prompt.Clean.Length);
            var after = counted.FindIndex(c => c.Tokens >= n);
            if (counted[after].Tokens == n) return counted[after].Figures;
            var (one, other) = (counted[after - 1], counted[after]);
            var share = (n - one.Tokens) / (double)(other.Tokens - one.Tokens);
            double Between(Func<PromptFigures, double> of) => of(one.Figures) + (share * (of(other.Figures) - of(one.Figures)));
            return new(Between(f => f.Seconds), Between(f => f.Nodes), Between(f => f.Kept), Between(f => f.Edges));
        }

        // a prompt is run again for the mean's edges, and its nodes are not moved again
        private static PromptFigures Figures(PlanBasis basis, PromptCost cost)
        {
            var (all, moved) = (cost.Stages.Sum(basis.Seconds), cost.Stages.Where(s => s.Name == "node effects").Sum(basis.Seconds));
            return new((2 * all) - moved, cost.Sites.Sum(s => s.Nodes), cost.Sites.Sum(s => s.Tangents), cost.Edges);
        }
    }

    private readonly record struct PromptFigures(double Seconds, double Nodes, double Kept, double Edges);
}
