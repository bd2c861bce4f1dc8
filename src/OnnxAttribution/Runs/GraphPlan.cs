using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Runs;

/// <summary>What a stage of a graph would take.</summary>
/// <param name="Name">As run.json's <c>timings</c> has it.</param>
/// <param name="Operations">Floating-point operations of the matrix products.</param>
/// <param name="Bytes">Bytes of weights that are read.</param>
/// <param name="Seconds">Seconds: what takes longer of both at the machine's rates, times <see cref="GraphPlan.Experience"/>.</param>
public sealed record PlannedStage(string Name, long Operations, long Bytes, double Seconds);

/// <summary>What the graph of a prompt would take, said before it is drawn: counts from shapes, and times by the machine's rates.
/// </summary>
public sealed record GraphPlan
{
    /// <summary>What stages were seen to take of what the rates alone would give: a ratio, no unit.</summary>
    /// <remarks>Measured at GPT-2-small's shape, 16 to 256 tokens: docs/explanation/memory-and-speed.md.</remarks>
    public const double Experience = PlanBasis.Experience;

    /// <summary>Positions of the prompt, BOS counted.</summary>
    public required int Tokens { get; init; }

    /// <summary>Positions of the piece of the prompt that was run to see how many features are active, a count; 0: the bundle says it.
    /// </summary>
    public required int SampleTokens { get; init; }

    /// <summary>Rows: one for each selected site, in the order of computation.</summary>
    public required IReadOnlyList<PlannedSite> Sites { get; init; }

    /// <summary>In the order in which they are run.</summary>
    public required IReadOnlyList<PlannedStage> Stages { get; init; }

    /// <summary>What was asked for and is not counted here, in words.</summary>
    public required IReadOnlyList<string> NotCounted { get; init; }

    /// <summary>How many edges are kept at most.</summary>
    public required long Edges { get; init; }

    /// <summary>Seconds that a process takes once, before its first graph: to start, to make sessions, and to lay weights out.</summary>
    public required double StartSeconds { get; init; }

    /// <summary>Memory by what it is for, in bytes.</summary>
    public required IReadOnlyList<PlannedMemory> Memory { get; init; }

    /// <summary>Bytes that the graph cannot be drawn with less of, mapped files left out.</summary>
    public required long LeastMemoryBytes { get; init; }

    /// <summary>Bytes that this process may have: the machine's, or its control group's.</summary>
    public required long AvailableMemoryBytes { get; init; }

    /// <summary>Floating-point operations per second of large float32 products, one in each lane, measured now.</summary>
    public required double ProductsPerSecond { get; init; }

    /// <summary>Bytes per second that all threads read, measured now.</summary>
    public required double BytesPerSecond { get; init; }

    /// <summary>Floating-point operations of the matrix products.</summary>
    public long Operations => Stages.Sum(s => s.Operations);

    /// <summary>Seconds that the graph takes once sessions are made.</summary>
    public double Seconds => Stages.Sum(s => s.Seconds);

    /// <summary>Bytes of peak memory, mapped files included.</summary>
    public long MemoryBytes => Memory.Sum(m => m.Bytes);

    /// <summary>Plans one prompt's graph.</summary>
    /// <param name="model">Stays the caller's. Where its bundle does not say how many features are active, a piece of the prompt is run.
    /// </param>
    /// <param name="task">The prompt, in words.</param>
    /// <param name="request">What would be asked of it.</param>
    /// <exception cref="ArgumentNullException">There is no model, task or request.</exception>
    /// <exception cref="PromptException">The prompt, target or foil cannot be used.</exception>
    /// <exception cref="AttributionException">What was asked cannot be.</exception>
    /// <exception cref="MemoryBudgetException">Not even one row fits the context's memory budget.</exception>
    /// <exception cref="RunDirectoryException">The bundle's features.parquet is damaged.</exception>
    /// <exception cref="TokenizerException">The model's tokenizer is missing or damaged.</exception>
    /// <exception cref="OperationCanceledException">The context was cancelled.</exception>
    public static GraphPlan Of(LoadedModel model, PromptTask task, GraphRequest request)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(task);
        ArgumentNullException.ThrowIfNull(request);
        var tokens = PromptTokens.Of(task, model.Tokenizer, request.PrependBos ?? model.PrependsBos);
        return Of(model, tokens, request.Graph);
    }

    internal static GraphPlan Of(LoadedModel model, PromptTokens tokens, GraphOptions options)
    {
        var basis = PlanBasis.Of(model, tokens, options);
        return Of(basis, basis.Cost.Of(tokens.Clean.Length, tokens.Patch is not null));
    }

    /// <summary>What a prompt's counts come to on this machine.</summary>
    internal static GraphPlan Of(PlanBasis basis, PromptCost cost) => new()
    {
        Tokens = cost.Tokens,
        SampleTokens = basis.Expected.SampleTokens,
        Sites = cost.Sites,
        Stages = [.. cost.Stages.Select(s => new PlannedStage(s.Name, s.Operations, s.Bytes, basis.Seconds(s)))],
        NotCounted = GraphCost.NotCounted(basis.Options),
        Edges = cost.Edges,
        StartSeconds = basis.Start(cost, cost.LaidOutBytes),
        Memory = cost.Memory,
        LeastMemoryBytes = cost.Least.Sum(m => m.Bytes),
        AvailableMemoryBytes = MachineMemory.Bytes(),
        ProductsPerSecond = basis.Products,
        BytesPerSecond = basis.Bytes,
    };
}
