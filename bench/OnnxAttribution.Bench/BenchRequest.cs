using OnnxAttribution.Runtime;

namespace OnnxAttribution.Bench;

/// <summary>One benchmark: on which model, over how long a prompt, how often.</summary>
/// <param name="Bundle">A random model's (<see cref="RandomModel"/>).</param>
internal sealed record BenchRequest(string Bundle, SyntheticShape Shape, RunContext Context)
{
    public const int UsualTokens = 16, UsualNodes = 64;

    /// <summary>Tokens of a prompt, BOS included.</summary>
    public int Tokens { get; init; } = UsualTokens;

    /// <summary>Features kept per site; error nodes come on top.</summary>
    public int Nodes { get; init; } = UsualNodes;

    /// <summary>N of a second graph of each prompt, with its strongest nodes really patched; 0: none is drawn.</summary>
    public int Refine { get; init; }

    /// <summary>The bundle's dictionaries have screens beside them.</summary>
    public bool IsScreened { get; init; }

    /// <summary>Beyond so many tokens graphs alone are timed: moving nodes one by one is no work for a long prompt.</summary>
    public const int LongFrom = 64;

    /// <summary>Graphs alone are timed.</summary>
    public bool IsLong => Tokens >= LongFrom;

    /// <summary>Edges that the store sorts and writes.</summary>
    public int StoredEdges { get; init; } = 10_000_000;

    /// <summary>Counted runs, after one that is not; 0: that one alone, and no whole process.</summary>
    public int Runs { get; init; } = 1;

    public Action<string> Progress { get; init; } = _ => { };
}
