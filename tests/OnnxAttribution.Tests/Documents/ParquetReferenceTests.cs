using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.Documents;

/// <summary>docs/reference/parquet.md lists the columns of the records, and the files that verbs write have these columns,
/// in their order, with their types.</summary>
[Collection(DocumentCollection.Name)]
public sealed class ParquetReferenceTests(DocumentWorld world)
{
    // what makes a run that has the table: a command of the guides, so that it is run once
    private static readonly (string Table, string Run, string Document, string Command)[] s_inRuns =
    [
        ("nodes", DocumentWorld.DemoRun, "", ""),
        ("edges", DocumentWorld.DemoRun, "", ""),
        ("features", DocumentWorld.DemoRun, "", ""),
        ("labels", "runs/labelled", "docs/guides/labels.md", "models/labelled"),
        ("validation", DocumentWorld.DemoRun, "docs/guides/validate.md", "validate runs/copyright"),
        ("certificate", DocumentWorld.DemoRun, "docs/guides/certify.md", "validate runs/copyright --bound"),
        ("tokens", "runs/ablated", "docs/guides/ablate.md", "--out runs/ablated"),
        ("targets", "runs/dallas", "docs/guides/transcoders.md", "llama"),
        ("heads", "runs/heads", "docs/guides/heads.md", "--out runs/heads"),
        ("score_pairs", "runs/heads", "docs/guides/heads.md", "heads runs/heads --head"),
        ("prompts", "runs/dataset", "docs/guides/datasets.md", "runs/dataset"),
        ("faithfulness", "runs/resid", "docs/guides/ablate.md", "runs/resid"),
    ];

    public static TheoryData<string> Tables => [.. s_inRuns.Select(t => t.Table)];

    [Theory, MemberData(nameof(Tables))]
    public void A_table_of_a_run_has_the_columns_of_its_record(string table)
    {
        var (_, run, document, made) = s_inRuns.Single(t => t.Table == table);
        Make(document, made);
        var described = Run($"query {run} \"DESCRIBE {table}\" --format csv");
        var columns = described.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(Cells);
        // the views have the run, or the model, in front; prompts are runs themselves
        Assert.Equal(ParquetReference.Columns(table), table == "prompts" ? columns : columns.Skip(1));
    }

    [Theory, InlineData("nodes"), InlineData("edges")]
    public void The_mean_of_a_dataset_has_the_columns_of_a_run_and_its_own(string table)
    {
        Make("docs/guides/datasets.md", "runs/dataset");
        var described = Run($"query runs/dataset \"DESCRIBE mean_{table}\" --format csv");
        var columns = described.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(Cells);
        Assert.Equal(ParquetReference.Columns(table).Concat(ParquetReference.Columns("mean")), columns.Skip(1));
    }

    [Theory, InlineData("curve", "ablate --model models/tiny --prompt \"Copyright (C\" --up 1:133 --down 3:226")]
    [InlineData("circuit", "ablate --model models/tiny --prompt \"Copyright (C\" --circuit \"1:170\" --controls 1")]
    public void A_file_of_its_own_has_the_columns_of_its_record(string table, string command)
    {
        Run($"{command} --out runs/{table}.parquet");
        var stored = StoredTable.Read(world.PathOf($"runs/{table}.parquet"), cancel: TestContext.Current.CancellationToken);
        Assert.Equal(ParquetReference.Columns(table), stored.Columns.Select(c => (c.Name, c.SqlType)));
    }

    [Theory, InlineData("clusters"), InlineData("members"), InlineData("cluster_nodes")]
    public void A_table_of_clusters_has_the_columns_of_its_record(string table)
    {
        Make("docs/guides/cluster.md", "runs/tasks");
        var stored = StoredTable.Read(world.PathOf($"runs/clusters/{table}.parquet"), cancel: TestContext.Current.CancellationToken);
        Assert.Equal(ParquetReference.Columns(table), stored.Columns.Select(c => (c.Name, c.SqlType)));
    }

    [Theory, InlineData("lens"), InlineData("lens_tokens"), InlineData("summands")]
    public void A_table_of_a_lens_has_the_columns_of_its_record(string table)
    {
        Make("docs/guides/lens.md", "--out runs/lens");
        var stored = StoredTable.Read(world.PathOf($"runs/lens/{table}.parquet"), cancel: TestContext.Current.CancellationToken);
        Assert.Equal(ParquetReference.Columns(table), stored.Columns.Select(c => (c.Name, c.SqlType)));
    }

    [Fact]
    public void The_table_of_patching_has_the_columns_of_its_record()
    {
        Make("docs/guides/patch.md", "runs/patched");
        var stored = StoredTable.Read(world.PathOf("runs/patched/patching.parquet"), cancel: TestContext.Current.CancellationToken);
        Assert.Equal(ParquetReference.Columns("patching"), stored.Columns.Select(c => (c.Name, c.SqlType)));
    }

    [Theory, InlineData("compared_nodes"), InlineData("compared_edges")]
    public void A_table_of_a_comparison_has_the_columns_of_its_record(string table)
    {
        Make("docs/guides/compare.md", "runs/square");
        var stored = StoredTable.Read(world.PathOf($"runs/compared/{table}.parquet"), cancel: TestContext.Current.CancellationToken);
        Assert.Equal(ParquetReference.Columns(table), stored.Columns.Select(c => (c.Name, c.SqlType)));
    }

    [Fact]
    public void The_tables_of_the_reference_are_made_from_the_records() =>
        MadeDocument.Holds(ParquetReference.File, ParquetReference.Text());

    [Fact]
    public void The_reference_has_a_table_for_each_that_is_written_and_no_other()
    {
        var prose = Document.Read(ParquetReference.File).Prose;
        var headings = prose.Where(l => l.StartsWith("## ", StringComparison.Ordinal)).Select(l => l[3..]);
        var tables = ParquetReference.Tables.Select(t => t.Name).ToList();
        Assert.Equal([.. tables, "Many runs"], headings);
        Assert.Equal(tables.Count, prose.Count(l => l.StartsWith("|---", StringComparison.Ordinal)));
        string[] ofTheirOwn =
            ["curve", "circuit", "mean", "clusters", "members", "cluster_nodes", "lens", "lens_tokens", "summands", "patching",
                "compared_nodes", "compared_edges"];
        Assert.Equal(Tables.Select(t => t.Data).Concat(ofTheirOwn).Order(StringComparer.Ordinal),
            tables.Order(StringComparer.Ordinal));
        Assert.All(FurtherTables.Names, name => Assert.Contains(name, tables));
    }

    private void Make(string document, string words)
    {
        if (document.Length == 0) return;
        foreach (var command in DocumentCommand.Of(Document.Read(document)).Where(c => c.Text.Contains(words, StringComparison.Ordinal)))
        {
            Done(command);
        }
    }

    private Verb Run(string command) => Done(new DocumentCommand($"onnx-attribution {command}", [], ParquetReference.File, null));

    private Verb Done(DocumentCommand command)
    {
        var verb = world.Run(command);
        Assert.True(verb.Code == 0, verb.Error);
        return verb;
    }

    // name and type; a type holds commas, and then stands in quotes
    private static (string Name, string Type) Cells(string row)
    {
        var (name, rest) = (row[..row.IndexOf(',')], row[(row.IndexOf(',') + 1)..]);
        return (name, rest.StartsWith('"') ? rest[1..rest.IndexOf('"', 1)] : rest[..rest.IndexOf(',')]);
    }
}
