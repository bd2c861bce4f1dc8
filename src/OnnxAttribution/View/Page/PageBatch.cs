namespace OnnxAttribution.View.Page;

/// <summary>What the script of a batch's index shows. <c>script/batch-contract.ts</c> says the same, and a test compares the two.
/// A number that the run does not know is null, and numbers have five digits (<see cref="FiveDigits"/>).</summary>
/// <param name="Page">Address of the merged graph's page; null: it has none.</param>
/// <param name="Kept">Of the merged graph, as <paramref name="Edges"/>.</param>
/// <param name="All">How many prompts there are; the rows are the first of them.</param>
/// <param name="Query">The command that lists all, given where the page lies.</param>
internal sealed record PageBatch(int Version, string Metric, string Model, string Program, string? Page, int? Kept, int? Edges, int All,
    string Query, IReadOnlyList<PageBatchRow> Rows);

/// <summary>One prompt of it.</summary>
/// <param name="Text">Where its tokens are not known; null: they are.</param>
/// <param name="Errors">Share of all |effect| that error nodes carry.</param>
/// <param name="Validation">Pearson correlation of estimated node effects with exact ones; null: it was not validated.</param>
/// <param name="Page">Address of its page, relative to the index; null: it has none.</param>
/// <param name="Fault">Why it has no graph; null: it has one.</param>
internal sealed record PageBatchRow(string Name, IReadOnlyList<string> Tokens, string? Text, int? Position, string? Target,
    string? Foil, double? Value,
    int? Kept, int? Edges, double? Errors, double? Validation, string? Page, string? Fault);
