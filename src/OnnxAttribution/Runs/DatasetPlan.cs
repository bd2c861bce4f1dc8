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

    // whose memory is counted
    private const int MostWindows = 3;

    // what writes parts and adds up their sums, measured on models/tiny
    private const long StoreBytes = 160L << 20;

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

    /// <summary>The longest prompt's plan, were it alone.</summary>
    public required GraphPlan Longest { get; init; }

    /// <summary>How many prompts are worked at side by side, a count.</summary>
    public required int Lanes { get; init; }

    /// <summary>Memory of the process by what it is for, in bytes: of the largest of the windows of prompts that are run side by side.
    /// </summary>
    public required IReadOnlyList<PlannedMemory> Memory { get; init; }

    /// <summary>Bytes of peak memory, mapped files included.</summary>
    public long MemoryBytes => Memory.Sum(m => m.Bytes);

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
        PlannedPart[] parts = [.. tokens.Chunk(asked.PartSize).Select(part => PlannedPart.Of(basis, lengths, part, asked.AllNodes))];
        var largest = parts.SelectMany(p => p.Largest).DistinctBy(w => w.Tokens).OrderByDescending(w => w.Tokens).Take(MostWindows)
            .Append(parts.SelectMany(p => p.Largest).MaxBy(w => w.Longest)!).Select(w => basis.Cost.Of(w.Prompts)).ToList();
        var memory = largest.Select(w => w.Memory(basis.Lanes)).MaxBy(m => m.Sum(x => x.Bytes))!;
        var start = basis.StartOfMany(lengths.Longest, largest.Max(w => w.LaidOutBytes));
        PlannedShare Of((int From, int To) range)
        {
            var own = parts[range.From..range.To];
            var prompts = own.Sum(p => p.Prompts);
            return new(prompts, own.Length, (prompts == 0 ? 0 : start) + own.Sum(p => p.Seconds),
                (long)(own.Sum(p => p.Rows) * RowBytes) + ((long)prompts * PromptBytes),
                (long)own.Sum(p => (p.Nodes * NodeSumBytes) + (p.Edges * EdgeSumBytes)));
        }
        return new DatasetPlan
        {
            Failing = lines.Count - good.Length,
            Whole = Of((0, parts.Length)),
            Share = Of(asked.Shard.PartsOf(parts.Length)),
            Shard = asked.Shard,
            Tokens = good.Sum(p => (long)p.Clean.Length),
            Longest = GraphPlan.Of(basis, lengths.Longest),
            Lanes = basis.Lanes,
            Memory = [.. memory, new("parts and sums", StoreBytes)],
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
}
