using OnnxAttribution.Store;
using CausalEdge = OnnxAttribution.Attribution.CausalEdge;

namespace OnnxAttribution.Tests.Store;

public class RunDirectoryTests
{
    [Fact]
    public void A_run_reads_back_as_it_was_written()
    {
        using var directory = new AwkwardDirectory();
        var run = RunDirectory.Read(RunSamples.Write(directory));
        Assert.Equal(RunSamples.Nodes, run.Nodes);
        Assert.Equal(RunSamples.SortedEdges, run.Edges.ToArray());
        Assert.Equal(RunSamples.MetricPosition, run.MetricPosition);
        run.AssertFacts(RunSamples.Facts);
    }

    [Fact]
    public void A_run_holds_three_files_and_nothing_else()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        Assert.Equal(["edges.parquet", "nodes.parquet", "run.json"],
            Directory.EnumerateFileSystemEntries(run).Select(Path.GetFileName).Order());
        Assert.Equal([run], Directory.EnumerateFileSystemEntries(directory.Path));
    }

    [Theory, InlineData("nodes.parquet"), InlineData("edges.parquet")]
    public void A_table_is_a_Parquet_file_from_its_first_to_its_last_bytes(string name)
    {
        using var directory = new AwkwardDirectory();
        var bytes = File.ReadAllBytes(Path.Combine(RunSamples.Write(directory), name));
        Assert.Equal("PAR1"u8, bytes.AsSpan(0, 4));
        Assert.Equal("PAR1"u8, bytes.AsSpan(bytes.Length - 4));
        var footer = BitConverter.ToInt32(bytes, bytes.Length - 8);
        Assert.InRange(footer, 1, bytes.Length - 12);
    }

    [Fact]
    public void Columns_have_the_names_and_types_of_the_contract()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        Assert.Equal("site VARCHAR, layer INTEGER, kind VARCHAR, position INTEGER, token VARCHAR, feature INTEGER, activation FLOAT, "
            + "patch_activation FLOAT, gradient FLOAT, effect FLOAT, kept BOOLEAN, contribution FLOAT, attribution FLOAT, "
            + "exact FLOAT, method VARCHAR, effect_error FLOAT, influence FLOAT, component INTEGER",
            Fresh($"SELECT string_agg(column_name || ' ' || column_type, ', ') FROM (DESCRIBE FROM {Parquet(run, "nodes")})"));
        Assert.Equal("up_site VARCHAR, up_position INTEGER, up_feature INTEGER, down_site VARCHAR, down_position INTEGER, "
            + "down_feature INTEGER, jacobian FLOAT, effect FLOAT, change FLOAT, contribution FLOAT, weight FLOAT, component INTEGER",
            Fresh($"SELECT string_agg(column_name || ' ' || column_type, ', ') FROM (DESCRIBE FROM {Parquet(run, "edges")})"));
    }

    [Fact]
    public void What_switched_on_stands_among_the_edges_and_is_read_back_apart()
    {
        using var directory = new AwkwardDirectory();
        SwitchedOnRow[] further =
            [new(2, "blocks.10.hook_mlp_out", 0.5f), new(0, "blocks.0.hook_mlp_out", -0.25f), new(1, "blocks.0.hook_mlp_out", 2)];
        CausalEdge[] edges = [.. RunSamples.Edges.Select((e, i) => i == 0 ? e with { Change = -1.5f } : e)];
        RunDirectory.Write(directory["run"], new RunContents(RunSamples.Nodes, [edges], RunSamples.MetricPosition, new GraphRunRecord())
        {
            SwitchedOn = further,
        }, force: false);
        var run = RunDirectory.Read(directory["run"]);
        Assert.Equal(RunSamples.SortedEdges.Select(e => e == RunSamples.Edges[0] ? edges[0] : e), run.Edges.ToArray());
        Assert.Equal([further[2], further[1], further[0]], run.SwitchedOn);
        Assert.Equal(["blocks.0.hook_mlp_out|-1|-2|NULL|NULL|2", "blocks.0.hook_mlp_out|-1|-2|NULL|NULL|-0.25",
            "blocks.10.hook_mlp_out|-1|-2|NULL|NULL|0.5"], RunSamples.Ask(directory["run"],
            "SELECT down_site, down_position, down_feature, jacobian, change, effect FROM edges WHERE down_feature = -2"));
        var stray = new RunContents(RunSamples.Nodes, [], 0, new GraphRunRecord()) { SwitchedOn = [new(0, "blocks.7.hook_mlp_out", 1)] };
        Assert.Throws<ArgumentException>(() => RunDirectory.Write(directory["stray"], stray, force: false));
        Assert.False(Directory.Exists(directory["stray"]));
    }

    [Fact]
    public void Edges_of_a_run_from_before_there_were_exact_changes_are_read_in_order()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        var (now, before) = (Path.Combine(run, "edges.parquet"), directory["before.parquet"]);
        using (var database = DuckDbDatabase.OpenInMemory())
        {
            database.Execute($"COPY (SELECT * EXCLUDE (change) FROM {Parquet(run, "edges")}) TO {SqlText.Literal(before)} (FORMAT parquet)",
                CancellationToken.None);
        }
        File.Move(before, now, overwrite: true);
        Assert.Equal(RunSamples.SortedEdges, RunDirectory.Read(run).Edges.ToArray());
    }

    [Fact]
    public void A_missing_gradient_or_jacobian_is_NULL_in_the_file()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        Assert.Equal("-1", Fresh($"SELECT string_agg(feature, ',') FROM {Parquet(run, "nodes")} WHERE gradient IS NULL"));
        Assert.Equal("2", Fresh($"SELECT count(*) FROM {Parquet(run, "edges")} WHERE jacobian IS NULL"));
    }

    [Theory, InlineData("nodes"), InlineData("edges")]
    public void Scalars_of_run_json_are_in_the_metadata_of_both_tables(string table)
    {
        using var directory = new AwkwardDirectory();
        string run = RunSamples.Write(directory), file = SqlText.Literal(Path.Combine(run, table + ".parquet"));
        string? Value(string key) =>
            Fresh($"SELECT value FROM parquet_kv_metadata({file}) WHERE key = encode('{key}')")?.Replace("\\x0A", "\n");
        Assert.Equal("gpt2", Value("model"));
        Assert.Equal("74", Value("calls"));
        Assert.Equal("0.5", Value("threshold"));
        Assert.Equal("true", Value("centred"));
        Assert.StartsWith("When Mary's \"friend\"",
            Fresh($"SELECT decode(value) FROM parquet_kv_metadata({file}) WHERE key = encode('prompt')"));
        Assert.Null(Value("patch_prompt"));
        Assert.Null(Value("tokens"));
    }

    [Fact]
    public void Tables_are_compressed_with_zstd()
    {
        using var directory = new AwkwardDirectory();
        var file = SqlText.Literal(Path.Combine(RunSamples.Write(directory), "edges.parquet"));
        Assert.Equal("ZSTD", Fresh($"SELECT string_agg(DISTINCT compression, ',') FROM parquet_metadata({file})"));
    }

    [Fact]
    public void Random_edges_come_sorted_and_none_is_lost()
    {
        using var directory = new AwkwardDirectory();
        var random = new Random(0);
        var nodes = Enumerable.Range(0, 700).Select(n =>   // more sites than fit in one byte
            new NodeRow($"blocks.{n % 300}.hook_mlp_out", n % 300, "mlp", n / 300, "t", n, 1, 0, 1, 1, true)).ToArray();
        var edges = Enumerable.Range(0, 200_000).Select(_ =>
            new CausalEdge(random.Next(700), random.Next(-1, 700), random.NextSingle(), random.NextSingle() - 0.5f)).ToArray();
        RunDirectory.Write(directory["run"], new RunContents(nodes, edges.Chunk(777).Select(chunk => new ReadOnlyMemory<CausalEdge>(chunk)),
            5, new GraphRunRecord()), force: false);
        var read = RunDirectory.Read(directory["run"]).Edges.ToArray();
        Assert.Equal(edges.OrderBy(e => e.Up).ThenBy(e => e.Down).ThenBy(e => e.Effect),
            read.OrderBy(e => e.Up).ThenBy(e => e.Down).ThenBy(e => e.Effect));
        var keys = read.Select(e => e.Down < 0 ? ("metric", 5, -1, -MathF.Abs(e.Effect))
            : (nodes[e.Down].Site, nodes[e.Down].Position, nodes[e.Down].Feature, -MathF.Abs(e.Effect))).ToArray();
        var comparer = Comparer<(string Site, int, int, float)>.Create((a, b) =>
            string.CompareOrdinal(a.Site, b.Site) is var order and not 0
                ? order
                : (a.Item2, a.Item3, a.Item4).CompareTo((b.Item2, b.Item3, b.Item4)));
        Assert.All(keys.Zip(keys.Skip(1)), pair => Assert.True(comparer.Compare(pair.First, pair.Second) <= 0));
    }

    [Fact]
    public void A_chunk_of_edges_may_be_overwritten_once_the_next_is_asked_for()
    {
        using var directory = new AwkwardDirectory();
        var buffer = new CausalEdge[1];
        IEnumerable<ReadOnlyMemory<CausalEdge>> Reusing()
        {
            foreach (var edge in RunSamples.Edges)
            {
                buffer[0] = edge;
                yield return buffer;
            }
        }
        RunDirectory.Write(directory["run"],
            new RunContents(RunSamples.Nodes, Reusing(), RunSamples.MetricPosition, new GraphRunRecord()), force: false);
        Assert.Equal(RunSamples.SortedEdges, RunDirectory.Read(directory["run"]).Edges.ToArray());
    }

    [Fact]
    public void A_run_may_be_empty()
    {
        using var directory = new AwkwardDirectory();
        RunDirectory.Write(directory["no edges"], new RunContents(RunSamples.Nodes, [], 0, new GraphRunRecord()), force: false);
        RunDirectory.Write(directory["nothing"], new RunContents([], [], 0, new GraphRunRecord()), force: false);
        Assert.Empty(RunDirectory.Read(directory["no edges"]).Edges.ToArray());
        Assert.Null(RunDirectory.Read(directory["no edges"]).MetricPosition);
        Assert.Empty(RunDirectory.Read(directory["nothing"]).Nodes);
        Assert.Equal(["0"], RunSamples.Ask(directory["nothing"], "SELECT count(*) FROM nodes, edges"));
    }

    [Fact]
    public void An_edge_between_unknown_nodes_and_a_node_given_twice_are_refused()
    {
        using var directory = new AwkwardDirectory();
        void Write(NodeRow[] nodes, CausalEdge[] edges) =>
            RunDirectory.Write(directory["run"], new RunContents(nodes, [edges], 0, new GraphRunRecord()), force: false);
        Assert.Throws<ArgumentException>(() => Write(RunSamples.Nodes, [new(0, 4, 1, 1)]));
        Assert.Throws<ArgumentException>(() => Write(RunSamples.Nodes, [new(-1, 0, 1, 1)]));
        Assert.Throws<ArgumentException>(() => Write([RunSamples.Nodes[0], RunSamples.Nodes[0]], []));
        Assert.Throws<ArgumentException>(() => Write([RunSamples.Nodes[0] with { Site = "metric" }], []));
        Assert.Empty(Directory.EnumerateFileSystemEntries(directory.Path));
    }

    [Fact]
    public void Damaged_and_missing_files_are_named_with_the_fix()
    {
        using var directory = new AwkwardDirectory();
        foreach (var name in new[] { "nodes.parquet", "edges.parquet", "run.json" })
        {
            string run = RunSamples.Write(directory, name + " damaged"), file = Path.Combine(run, name);
            var bytes = File.ReadAllBytes(file);
            File.WriteAllBytes(file, bytes[..(bytes.Length / 2)]);
            AssertNames(file, Assert.Throws<RunDirectoryException>(() => RunDirectory.Read(run)));
            Array.Fill(bytes, (byte)0xA5, 4, bytes.Length - 8);   // both magics in place, nonsense between
            File.WriteAllBytes(file, bytes);
            AssertNames(file, Assert.Throws<RunDirectoryException>(() => RunDirectory.Read(run)));
            AssertNames(file,
                Assert.Throws<RunDirectoryException>(() => RunSamples.Ask(run, $"FROM {(name[0] == 'e' ? "edges" : "nodes")}")));
            File.Delete(file);
            AssertNames(file, Assert.Throws<RunDirectoryException>(() => RunDirectory.Read(run)));
        }
    }

    [Fact]
    public void An_edge_to_a_node_that_the_table_lacks_is_damage()
    {
        using var directory = new AwkwardDirectory();
        var run = RunSamples.Write(directory);
        RunDirectory.Write(directory["other"], new RunContents(RunSamples.Nodes[..2], [], 0, new GraphRunRecord()), force: false);
        File.Copy(Path.Combine(directory["other"], "nodes.parquet"), Path.Combine(run, "nodes.parquet"), overwrite: true);
        AssertNames(Path.Combine(run, "edges.parquet"), Assert.Throws<RunDirectoryException>(() => RunDirectory.Read(run)));
    }

    private static void AssertNames(string file, RunDirectoryException error)
    {
        Assert.StartsWith(file, error.Message);
        Assert.EndsWith(".", error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    private static string Parquet(string run, string table) => $"read_parquet({SqlText.Literal(Path.Combine(run, table + ".parquet"))})";

    /// <summary>The one cell of a query in a fresh database that knows nothing of runs; null for NULL or no row.</summary>
    private static string? Fresh(string sql)
    {
        using var database = DuckDbDatabase.OpenInMemory();
        using var result = database.Query($"SELECT x::VARCHAR FROM ({sql}) t(x)");
        return result.Read() ? result.Text(0) : null;
    }
}
