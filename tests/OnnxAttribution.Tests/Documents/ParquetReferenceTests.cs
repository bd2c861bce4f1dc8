using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Documents;

/// <summary>docs/reference/parquet.md lists the columns that the files have, in their order, with their types.</summary>
[Collection(DocumentCollection.Name)]
public sealed class ParquetReferenceTests(DocumentWorld world)
{
    private const string File = "docs/reference/parquet.md";

    // what makes a run that has the table: a command of the guides, so that it is run once
    private static readonly (string Table, string Run, string Document, string Command)[] s_inRuns =
    [
        ("nodes", DocumentWorld.DemoRun, "", ""),
        ("edges", DocumentWorld.DemoRun, "", ""),
        ("features", DocumentWorld.DemoRun, "", ""),
        ("validation", DocumentWorld.DemoRun, "docs/guides/validate.md", "validate runs/copyright"),
        ("tokens", "runs/ablated", "docs/guides/ablate.md", "--out runs/ablated"),
        ("faithfulness", "runs/resid", "docs/guides/ablate.md", "runs/resid"),
    ];

    public static TheoryData<string> Tables => [.. s_inRuns.Select(t => t.Table)];

    [Theory, MemberData(nameof(Tables))]
    public void A_table_of_a_run_has_the_columns_that_the_reference_lists(string table)
    {
        var (_, run, document, made) = s_inRuns.Single(t => t.Table == table);
        Make(document, made);
        var described = world.Run(new DocumentCommand($"onnx-attribution query {run} \"DESCRIBE {table}\" --format csv", [], File, null));
        Assert.True(described.Code == 0, described.Error);
        var columns = described.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(Cells);
        // the views have the run, or the model, in front
        Assert.Equal(Listed(table), columns.Skip(1));
    }

    [Theory, InlineData("curve", "ablate --model models/tiny --prompt \"Copyright (C\" --up 1:133 --down 3:226")]
    [InlineData("circuit", "ablate --model models/tiny --prompt \"Copyright (C\" --circuit \"1:170\" --controls 1")]
    public void A_file_of_its_own_has_the_columns_that_the_reference_lists(string table, string command)
    {
        var written = world.Run(new DocumentCommand($"onnx-attribution {command} --out runs/{table}.parquet", [], File, null));
        Assert.True(written.Code == 0, written.Error);
        var stored = StoredTable.Read(world.PathOf($"runs/{table}.parquet"), cancel: TestContext.Current.CancellationToken);
        Assert.Equal(Listed(table), stored.Columns.Select(c => (c.Name, c.Type.ToString().ToUpperInvariant())));
    }

    [Fact]
    public void The_reference_lists_these_tables()
    {
        var headings = Document.Read(File).Prose.Where(l => l.StartsWith("## ", StringComparison.Ordinal)).Select(l => l[3..]);
        Assert.Equal(Tables.Select(t => t.Data).Concat(["curve", "circuit", "Many runs"]).Order(StringComparer.Ordinal),
            headings.Order(StringComparer.Ordinal));
    }

    private void Make(string document, string words)
    {
        if (document.Length == 0) return;
        foreach (var command in DocumentCommand.Of(Document.Read(document)).Where(c => c.Text.Contains(words, StringComparison.Ordinal)))
        {
            var verb = world.Run(command);
            Assert.True(verb.Code == 0, verb.Error);
        }
    }

    // name and type; a type holds commas, and then stands in quotes
    private static (string Name, string Type) Cells(string row)
    {
        var (name, rest) = (row[..row.IndexOf(',')], row[(row.IndexOf(',') + 1)..]);
        return (name, rest.StartsWith('"') ? rest[1..rest.IndexOf('"', 1)] : rest[..rest.IndexOf(',')]);
    }

    private static IEnumerable<(string Name, string Type)> Listed(string table)
    {
        var lines = Document.Read(File).Prose.SkipWhile(l => l != $"## {table}").Skip(1)
            .TakeWhile(l => !l.StartsWith("## ", StringComparison.Ordinal));
        var rows = lines.Where(l => l.StartsWith("| ", StringComparison.Ordinal)).Select(l => l.Split('|')).Skip(1);
        return rows.Select(c => (c[1].Trim(), c[2].Trim()));
    }
}
