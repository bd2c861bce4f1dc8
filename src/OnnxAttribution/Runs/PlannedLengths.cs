using OnnxAttribution.Attribution;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>What prompts of each length take, counted at some lengths; between them all is taken to be straight lines.</summary>
internal sealed class PlannedLengths
{
    private const int MostLengths = 12;

    private readonly Dictionary<(int Tokens, bool HasPatch), PromptCost> _costs = [];
    private readonly Dictionary<bool, List<PromptCost>> _counted = [];

    public PlannedLengths(PlanBasis basis, IReadOnlyList<PromptTokens> prompts)
    {
        foreach (var group in prompts.GroupBy(p => p.Patch is not null))
        {
            int[] lengths = [.. group.Select(p => p.Clean.Length).Distinct().Order()];
            var some = lengths.Length <= MostLengths ? lengths
                : [.. Enumerable.Range(0, MostLengths).Select(i => lengths[i * (lengths.Length - 1) / (MostLengths - 1)]).Distinct()];
            _counted[group.Key] = [.. some.Select(n => basis.Cost.Of(n, group.Key))];
        }
        Longest = _counted.Values.Select(c => c[^1]).MaxBy(c => (c.Tokens, c.HasPatch))!;
    }

    /// <summary>The longest prompt's.</summary>
    public PromptCost Longest { get; }

    public PromptCost Of(PromptTokens prompt)
    {
        var key = (prompt.Clean.Length, prompt.Patch is not null);
        return _costs.TryGetValue(key, out var known) ? known : _costs[key] = Between(_counted[key.Item2], key.Length);
    }

    private static PromptCost Between(List<PromptCost> counted, int tokens)
    {
        var after = counted.FindIndex(c => c.Tokens >= tokens);
        if (counted[after].Tokens == tokens) return counted[after];
        var (one, other) = (counted[after - 1], counted[after]);
        var share = (tokens - one.Tokens) / (double)(other.Tokens - one.Tokens);
        long At(long from, long to) => from + (long)(share * (to - from));
        // what it holds is the longer one's: at most
        return other with
        {
            Tokens = tokens,
            Stages = [.. one.Stages.Zip(other.Stages, (a, b) => b with { Operations = At(a.Operations, b.Operations) })],
            SharedPassOperations = At(one.SharedPassOperations, other.SharedPassOperations),
            Sites = [.. one.Sites.Zip(other.Sites, (a, b) => b with
            {
                Nodes = At(a.Nodes, b.Nodes),
                Tangents = (int)At(a.Tangents, b.Tangents),
            })],
            Edges = At(one.Edges, other.Edges),
        };
    }
}

/// <summary>What a part of a dataset takes.</summary>
/// <param name="Prompts">That have a graph, a count.</param>
/// <param name="Seconds">Of both passes.</param>
/// <param name="Rows">Of nodes and edges that are written.</param>
/// <param name="Nodes">Kept or not.</param>
/// <param name="Edges">That are written.</param>
internal sealed record PlannedPart(int Prompts, double Seconds, long Rows, long Nodes, long Edges)
{
    /// <summary>The windows with the most tokens, and with the longest prompt.</summary>
    public required IReadOnlyList<PlannedWindow> Largest { get; init; }

    /// <param name="prompts">All of them; null: it has no graph.</param>
    /// <param name="allNodes">Nodes are written that are not kept.</param>
    public static PlannedPart Of(PlanBasis basis, PlannedLengths lengths, PromptTokens?[] prompts, bool allNodes)
    {
        List<PlannedWindow> windows = [.. PromptWindows.Of(prompts)
            .Select(w => new PlannedWindow([.. prompts[w].OfType<PromptTokens>().Select(lengths.Of)])).Where(w => w.Prompts.Count > 0)];
        var (costs, edges) = (windows.SelectMany(w => w.Prompts).ToList(), windows.Sum(w => w.Prompts.Sum(p => p.Edges)));
        var nodes = costs.Sum(p => p.Sites.Sum(s => s.Nodes));
        return new(costs.Count, windows.Sum(w => basis.SecondsOfBoth(basis.Cost.Of(w.Prompts), w.Prompts.Count)),
            (allNodes ? nodes : costs.Sum(p => p.Sites.Sum(s => (long)s.Tangents))) + edges, nodes, edges)
        {
            Largest = windows.Count == 0 ? [] : [windows.MaxBy(w => w.Tokens)!, windows.MaxBy(w => w.Longest)!],
        };
    }
}

/// <summary>Prompts that are run side by side.</summary>
internal sealed record PlannedWindow(IReadOnlyList<PromptCost> Prompts)
{
    /// <summary>Of all of them, patch prompts counted.</summary>
    public long Tokens { get; } = Prompts.Sum(p => (long)p.Tokens * (p.HasPatch ? 2 : 1));

    public int Longest { get; } = Prompts.Count == 0 ? 0 : Prompts.Max(p => p.Tokens);
}
