using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

/// <summary>What a directory of a lens holds, as its figures say it.</summary>
internal static class LensTable
{
    /// <summary>The rows of a table that is not empty, with the record.</summary>
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static (LensRecord Record, IReadOnlyList<TRow> Rows) Read<TRow>(string path, string what, Func<TRow, bool> which,
        CancellationToken cancel) where TRow : ITableRow<TRow>
    {
        var record = LensDirectory.ReadRecord(path);
        var file = Path.Combine(path, TRow.Table + ".parquet");
        if (!File.Exists(file)) throw FigureException.NoRows(path, what);
        var rows = LensDirectory.Read<TRow>(path, cancel).Rows.Where(which).ToList();
        return rows.Count > 0 ? (record, rows) : throw FigureException.NoRows(file, what);
    }

    /// <summary>What is read, such as <c>logit-diff of ' Mary' over ' John'</c>.</summary>
    public static string Metric(LensRecord record)
    {
        string Quoted(string? text) => DisplayText.Quoted(text ?? "");
        return record switch
        {
            { Target: null } => record.Metric,
            { Foil: { } foil } => $"{record.Metric} of {Quoted(record.Target)} over {Quoted(foil)}",
            _ => $"logit of {Quoted(record.Target)} less the vocabulary's mean",
        };
    }

    /// <summary>What is read, and of which prompt.</summary>
    public static string Asked(LensRecord record) => $"{Metric(record)}  ·  {Prompt(record)}";

    // or how many prompts
    private static string Prompt(LensRecord record)
    {
        var what = record.Prompt is { } prompt ? TokenLabel.Line(prompt) : $"mean of {NumberText.Count(record.Prompts, "prompt")}";
        return record.Model is { } model ? $"{what}  ·  {model}" : what;
    }
}
