using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

public sealed partial class QueryResult
{
    private const int WidthRows = 2048;

    /// <summary>Writes all rows as a plain table: columns padded with spaces, numbers to the right, NULL as <c>NULL</c>,
    /// line breaks and other control characters inside a text escaped, so that one row is one line. A plan is written as it is.</summary>
    /// <param name="writer">Stays open.</param>
    /// <param name="cancel">Stops the writing after some rows.</param>
    /// <remarks>Widths come from the first 2,048 rows; a wider text further down shifts its own row only.</remarks>
    /// <inheritdoc cref="Rows" path="/exception"/>
    public void WriteTable(TextWriter writer, CancellationToken cancel = default)
    {
        if (IsPlan)
        {
            foreach (var row in Rows(cancel)) writer.WriteLine(DisplayText.Lines(row[^1]!.TrimEnd('\n')));
            return;
        }
        var widths = Columns.Select(column => Printed(column.Name).Length).ToArray();
        using var rows = Rows(cancel).GetEnumerator();
        var first = new List<string[]>();
        while (first.Count < WidthRows && rows.MoveNext()) first.Add([.. rows.Current.Select(Printed)]);
        foreach (var row in first)
        {
            for (var column = 0; column < widths.Length; column++) widths[column] = Math.Max(widths[column], row[column].Length);
        }

        WriteRow(writer, [.. Columns.Select(column => Printed(column.Name))], widths);
        WriteRow(writer, [.. widths.Select(width => new string('-', width))], widths);
        foreach (var row in first) WriteRow(writer, row, widths);
        while (rows.MoveNext()) WriteRow(writer, [.. rows.Current.Select(Printed)], widths);
        writer.Flush();
    }

    /// <summary>A cell of a table on one line: NULL spelled out, and nothing in it that would steer a terminal.</summary>
    internal static string Printed(string? text) => text is null ? "NULL" : DisplayText.OneLine(text);

    private void WriteRow(TextWriter writer, string[] cells, int[] widths)
    {
        for (var column = 0; column < cells.Length; column++)
        {
            var last = column == cells.Length - 1;
            var cell = Columns[column].IsNumber ? cells[column].PadLeft(widths[column])
                : last ? cells[column]
                : cells[column].PadRight(widths[column]);
            writer.Write(column == 0 ? cell : "  " + cell);
        }
        writer.WriteLine();
    }
}
