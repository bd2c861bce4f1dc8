using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

/// <summary>A sweep of activation patching as heat maps: a map for each kind of activation.</summary>
/// <param name="Maps">Those by position of streams, those of heads, and those of heads by position.</param>
/// <param name="Compared">Kinds of heads' activations that stand against what heads yield, head by head.</param>
/// <param name="Largest">The largest |score| of all; 1 at least where none is larger.</param>
internal sealed record PatchingTable(string Title, string Subtitle, IReadOnlyList<HeatMap> Maps, IReadOnlyList<HeadComparison> Compared,
    double Largest)
{
    private static readonly string[] s_compared = ["v", "pattern"];

    /// <param name="path">The directory that <c>patch</c> wrote.</param>
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static PatchingTable Read(string path, CancellationToken cancel)
    {
        var (record, all) = PatchDirectory.Read(path, cancel);
        var rows = all.Where(r => r.Prompt is null && double.IsFinite(r.Score)).ToList();
        if (rows.Count == 0) throw FigureException.NoRows(PatchDirectory.TableFile(path), "scores");
        // those of heads by position are long, and come last
        var maps = rows.OrderBy(r => r.Head is not null && r.Position is not null)
            .GroupBy(r => (r.What, IsOfHeads: r.Head is not null, IsByPosition: r.Position is not null))
            .Select(g => MapOf(g.Key.What, g.Key.IsOfHeads, g.Key.IsByPosition, [.. g], record.Tokens))
            .ToList();
        var prompts = record.Prompts.Count == 1 ? "one pair of prompts" : $"mean over {record.Prompts.Count:N0} pairs of prompts";
        var way = record.Direction == "noising" ? "noising: into the clean run" : "denoising: into the corrupted run";
        return new($"Activation patching, {way}", $"{record.Metric}  ·  clean {NumberText.Of(record.CleanMetric)}, corrupted "
            + $"{NumberText.Of(record.CorruptedMetric)}  ·  {prompts}{(record.Model is null ? "" : $"  ·  {record.Model}")}", maps,
            Comparisons(rows), rows.Max(r => Math.Abs(r.Score)) is var most and > 0 ? most : 1);
    }

    private static HeatMap MapOf(string what, bool isOfHeads, bool isByPosition, IReadOnlyList<PatchRow> rows,
        IReadOnlyList<string?> tokens)
    {
        string Column(int at) =>
            isByPosition && at < tokens.Count && tokens[at] is { } token ? $"{TokenLabel.Of(token, 12)}_{at}" : $"{at}";
        var columns = rows.Select(r => isByPosition ? r.Position!.Value : r.Head!.Value).Distinct().Order().ToList();
        var lines = rows.Select(r => (r.Layer, Head: isOfHeads && isByPosition ? r.Head : null)).Distinct().Order().ToList();
        var cells = rows.Select(r => new HeatCell(
            lines.IndexOf((r.Layer, isOfHeads && isByPosition ? r.Head : null)),
            columns.IndexOf(isByPosition ? r.Position!.Value : r.Head!.Value), r.Score));
        return new(isOfHeads ? $"{what}, {(isByPosition ? "head by position" : "by head")}" : $"{what}, by position",
            [.. lines.Select(l => l.Head is { } h ? $"{l.Layer}.{h}" : $"{l.Layer}")], [.. columns.Select(Column)], [.. cells])
        {
            ColumnsAre = isByPosition ? "" : "head"
        };
    }

    private static List<HeadComparison> Comparisons(IReadOnlyList<PatchRow> rows)
    {
        Dictionary<(int, int), double> Of(string what) =>
            rows.Where(r => r.What == what && r.Head is not null && r.Position is null)
                .ToDictionary(r => (r.Layer, r.Head!.Value), r => r.Score);
        var z = Of("z");
        return [.. s_compared.Select(what => new HeadComparison(what, [.. Of(what).Where(h => z.ContainsKey(h.Key))
                .Select(h => (h.Key.Item1, h.Key.Item2, z[h.Key], h.Value))]))
            .Where(c => c.Heads.Count > 0)];
    }
}

/// <summary>Scores in rows and columns; the first row is drawn at the bottom, as layers go up.</summary>
internal sealed record HeatMap(string Title, IReadOnlyList<string> Rows, IReadOnlyList<string> Columns, IReadOnlyList<HeatCell> Cells)
{
    /// <summary>What the columns' numbers are; empty where their labels say it.</summary>
    public string ColumnsAre { get; init; } = "";
}

/// <summary>One score, by the indices of its row and column.</summary>
internal readonly record struct HeatCell(int Row, int Column, double Score);

/// <summary>Of each head, the score of another of its activations beside that of what it yields.</summary>
internal sealed record HeadComparison(string What, IReadOnlyList<(int Layer, int Head, double Z, double Score)> Heads);
