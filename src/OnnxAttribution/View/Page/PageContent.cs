using System.Text.Json.Serialization;
namespace OnnxAttribution.View.Page;

/// <summary>What the page's script draws. <c>script/contract.ts</c> says the same, and a test compares the two.
/// A number that the run does not know is null, and numbers have five digits (<see cref="FiveDigits"/>).</summary>
internal sealed record PageContent(int Version, string Title, PageRun Run, PageLayout Layout, IReadOnlyList<PageSite> Sites,
    IReadOnlyList<PageFeature> Features, IReadOnlyList<PageNode> Nodes, PageEdges Edges, PageTable? Validation, PageTable? Certificate,
    PageHeads? Heads, IReadOnlyList<PageScore> Scores, IReadOnlyList<string> Strings)
{
    /// <summary>Of a page of two runs; null: of one.</summary>
    public required PageComparison? Comparison { get; init; }

    /// <summary>What is pinned and grouped at first; null: nothing.</summary>
    public required PageSubgraph? Subgraph { get; init; }

    /// <summary>Groups that nodes may be put in.</summary>
    public required IReadOnlyList<PageSuggestion> Suggestions { get; init; }

    /// <summary>Why decoder rows were not compared for them; null: they were.</summary>
    public required string? SuggestionNote { get; init; }
}

/// <summary>What was asked, and what came out.</summary>
internal sealed record PageRun
{
    public required string? Prompt { get; init; }
    public required string? PatchPrompt { get; init; }
    public required IReadOnlyList<string> Tokens { get; init; }
    public required IReadOnlyList<string> PatchTokens { get; init; }
    public required string Metric { get; init; }
    public required string? Target { get; init; }
    public required string? Foil { get; init; }
    public required double? TargetProbability { get; init; }
    public required double? FoilProbability { get; init; }
    public required int Position { get; init; }
    public required double? Clean { get; init; }
    public required double? Patch { get; init; }
    public required IReadOnlyList<PageToken> Top { get; init; }
    public required IReadOnlyList<TextPair> Options { get; init; }
    public required string? Command { get; init; }
    public required double? Explained { get; init; }
    public required string Model { get; init; }
    public required bool Aggregated { get; init; }
    public required bool Ablation { get; init; }
    public required double Coefficient { get; init; }
    public required string Sign { get; init; }
    public required bool Patched { get; init; }
    public required bool Merged { get; init; }
    public required IReadOnlyList<PagePrompt> Prompts { get; init; }
    public int PromptCount { get; init; }
    public double? Least { get; init; }
    public double? Most { get; init; }
    public required int Nodes { get; init; }
    public required int Kept { get; init; }
    public required int StoredEdges { get; init; }
    public required int? Component { get; init; }
    public required string? Finished { get; init; }
    public required string Version { get; init; }
    public required bool Dashboards { get; init; }
    public string Directory { get; init; } = "";
    public string? Bundle { get; init; }
    public string? Ablate { get; init; }
    public required string? Note { get; init; }
}

/// <summary>A prompt of a merged graph, what was asked of it, and the page of its own graph, relative to this one.</summary>
internal sealed record PagePrompt(string Name, string Text, string Metric, double? Value, string? Page);

/// <summary>Chosen nodes: indices of the page's, groups of them, labels of features or errors, and notes.</summary>
internal sealed record PageSubgraph(IReadOnlyList<int> Pins, IReadOnlyList<PageGroup> Groups, IReadOnlyList<PageLabel> Labels,
    string Notes);

/// <summary>Nodes that are read as one.</summary>
internal sealed record PageGroup(string Name, IReadOnlyList<int> Nodes);

/// <summary>A label of the reader's own: index of the page's features, and the text.</summary>
internal sealed record PageLabel(int Feature, string Label);

/// <summary>Nodes that are alike: in what (<c>decoder</c>, <c>edges</c>), which, and the least cosine of two of them.</summary>
internal sealed record PageSuggestion(string By, IReadOnlyList<int> Nodes, double Least);

/// <summary>A next token and its probability in the clean run.</summary>
internal sealed record PageToken(string Token, double Probability);

/// <summary>Where rows and columns lie, in pixels at zoom 1.</summary>
internal sealed record PageLayout(double Width, double Height, double BoxWidth, double BoxHeight, IReadOnlyList<PageRow> Rows,
    IReadOnlyList<PageColumn> Columns);

/// <summary>A band of nodes of one site.</summary>
internal sealed record PageRow(string Label, double Top, double Bottom);

/// <summary>A band of nodes at one position, or of one kind of site; a tick where none is drawn.</summary>
internal sealed record PageColumn(string Label, int? Position, double Left, double Right, bool Tick);

/// <summary>A site that has drawn nodes.</summary>
internal sealed record PageSite(string Name, string Short, string Kind, string? Neuronpedia);

/// <summary>A drawn feature, or a site's error: where it is active, its label, the word that is shown beside its number, the tokens that
/// it raises and lowers where no dashboard says them, and its dashboard.</summary>
internal sealed record PageFeature(int Site, int Feature, IReadOnlyList<NumberPair> Acts, string? Label, string? Word, PageTokens? Tokens,
    PageCard? Card);

/// <summary>Tokens that a feature raises and lowers, as indices of the page's strings, the strongest first.</summary>
internal sealed record PageTokens(IReadOnlyList<int> Up, IReadOnlyList<int> Down);

/// <summary>A feature's dashboard. Texts are indices of the page's strings.</summary>
internal sealed record PageCard(double Rate, double Mean, double Max, IReadOnlyList<long> Hist, IReadOnlyList<PageContext> Ctx,
    IReadOnlyList<NumberPair> Up, IReadOnlyList<NumberPair> Down, IReadOnlyList<NumberPair> Near);

/// <summary>A stretch of text: its quantile, the index of its peak, its tokens, and where the feature is active.</summary>
internal sealed record PageContext(int Q, int Peak, IReadOnlyList<int> T, IReadOnlyList<NumberPair> A);

/// <summary>A drawn node: site, position, feature, place, activation in both runs,
/// gradient, effect, exact effect, what the effect was found by, what it may be off by, whether that is more than half of it, the
/// separate circuit that it belongs to (0: none), in how many prompts of a merged graph it stands, and its name.</summary>
internal sealed record PageNode(int S, int P, int F, double X, double Y, double? A, double? Pa, double? G, double? E,
    [property: JsonPropertyName("x_e")] double? ExactEffect, string? By, double? Off, bool U, int C, int? N, string L);

/// <summary>The drawn edges, column by column.</summary>
internal sealed record PageEdges(IReadOnlyList<int> Up, IReadOnlyList<int> Down, IReadOnlyList<double?> Jac, IReadOnlyList<double?> Eff,
    IReadOnlyList<double?> Met, IReadOnlyList<double?> Act, IReadOnlyList<int?> N);

/// <summary>A table of figures on the run: of its validation, or of its certificate.</summary>
internal sealed record PageTable(string Text, IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<string>> Rows);

/// <summary>What edges owe to attention heads: the strongest heads, and of each drawn edge its strongest parts,
/// [index of <see cref="Ways"/>, effect].</summary>
/// <param name="Count">How many heads edges pass.</param>
/// <param name="Ways">Such as <c>2.0 key</c>, or <c>around</c>.</param>
internal sealed record PageHeads(int Count, IReadOnlyList<PageHead> Strongest, IReadOnlyList<string> Ways,
    IReadOnlyList<IReadOnlyList<NumberPair>> Parts);

/// <summary>A head: sums of |effect| by way, and its strongest drawn edges, [edge, effect through the head].</summary>
internal sealed record PageHead(string Name, double Value, double Query, double Key, int Edges, IReadOnlyList<NumberPair> Drawn);

/// <summary>A head's score between two positions, and its strongest pairs.</summary>
/// <param name="Of">How many pairs it has.</param>
internal sealed record PageScore(string Head, int Query, int Key, double Score, double Pattern, int Of, IReadOnlyList<PageScorePair> Pairs);

/// <summary>A pair of a score: labels of both sides, the drawn nodes that they are (−1: none), and what it adds.</summary>
internal sealed record PageScorePair(string Query, string Key, int QueryNode, int KeyNode, double Score);
