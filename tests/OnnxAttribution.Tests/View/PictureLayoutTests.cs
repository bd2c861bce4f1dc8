using OnnxAttribution.View;

namespace OnnxAttribution.Tests.View;

[Collection(nameof(TinyRuns))]
public sealed class PictureLayoutTests(TinyRuns runs)
{
    [Theory, MemberData(nameof(TinyRuns.Names), MemberType = typeof(TinyRuns))]
    public void No_two_boxes_of_a_real_run_overlap(string run) => AssertApart(runs.Picture(run));

    [Fact]
    public void No_two_boxes_of_odd_runs_overlap()
    {
        AssertApart(PictureSamples.Hostile());
        AssertApart(PictureSamples.Single());
        AssertApart(PictureSamples.Empty());
        AssertApart(PictureSamples.Mixed());
        AssertApart(PictureSamples.SameNumbers());
        AssertApart(PictureSamples.Large());
    }

    [Fact]
    public void Rows_go_up_in_the_order_of_computation_and_the_metric_is_on_top()
    {
        var layout = PictureLayout.Of(runs.Picture("graph"));
        Assert.Equal(["0.resid", "0.attn", "0.mlp", "1.resid"], layout.Rows.Take(4).Select(r => r.Label));
        Assert.Equal(["3.resid_post", "metric"], layout.Rows.TakeLast(2).Select(r => r.Label));
        foreach (var (lower, upper) in layout.Rows.Zip(layout.Rows.Skip(1))) Assert.True(upper.Bottom < lower.Top);
    }

    [Fact]
    public void Every_box_lies_in_its_row_and_its_tokens_column()
    {
        var picture = runs.Picture("graph");
        var layout = PictureLayout.Of(picture);
        Assert.Equal(picture.Header.Tokens, layout.Columns.Select(c => c.Label));
        foreach (var (left, right) in layout.Columns.Zip(layout.Columns.Skip(1))) Assert.True(left.Right < right.Left);
        for (var i = 0; i < picture.Nodes.Count; i++)
        {
            var node = picture.Nodes[i];
            var (row, column) = (layout.Rows.Single(r => r.Label == (node.Site?.ShortName ?? "metric")),
                layout.Columns.Single(c => c.Position == node.Position));
            Assert.InRange(layout.Y[i], row.Top + (PictureLayout.BoxHeight / 2) - 1e-9, row.Bottom - (PictureLayout.BoxHeight / 2) + 1e-9);
            Assert.InRange(layout.X[i], column.Left, column.Right);
        }
    }

    [Fact]
    public void A_graph_without_positions_has_a_column_for_each_kind_of_site()
    {
        var picture = runs.Picture("summed");
        var layout = PictureLayout.Of(picture);
        Assert.True(picture.IsAggregated);
        Assert.Equal(["residual stream", "MLP"], layout.Columns.Select(c => c.Label));
        Assert.All(layout.Columns, c => Assert.Null(c.Position));
        for (var i = 0; i < picture.Nodes.Count; i++)
        {
            Assert.InRange(layout.X[i], layout.Columns[picture.Nodes[i].Site?.KindName == "mlp" ? 1 : 0].Left,
                layout.Columns[picture.Nodes[i].Site?.KindName == "mlp" ? 1 : 0].Right);
        }
    }

    [Fact]
    public void Nodes_at_no_position_have_a_column_before_the_tokens()
    {
        var (picture, layout) = (PictureSamples.Mixed(), PictureLayout.Of(PictureSamples.Mixed()));
        Assert.Equal(["all positions", "a", "b", "c"], layout.Columns.Select(c => c.Label));
        Assert.Equal([null, 0, 1, 2], layout.Columns.Select(c => c.Position));
        for (var i = 0; i < picture.Nodes.Count; i++)
        {
            Assert.InRange(layout.X[i], layout.Columns[picture.Nodes[i].Position + 1].Left,
                layout.Columns[picture.Nodes[i].Position + 1].Right);
        }
    }

    [Fact]
    public void A_metric_that_no_edge_leads_to_stands_at_the_last_token() =>
        Assert.Equal(["a"], PictureLayout.Of(PictureSamples.Single()).Columns.Select(c => c.Label));

    [Fact]
    public void Equal_runs_are_drawn_equally()
    {
        var (one, other) = (PictureLayout.Of(PictureSamples.Large(300, 900)), PictureLayout.Of(PictureSamples.Large(300, 900)));
        Assert.Equal(one.X, other.X);
        Assert.Equal(one.Y, other.Y);
    }

    [Fact]
    public void Sweeping_leaves_fewer_crossings_than_the_order_of_the_file()
    {
        // two sites, each node of the one joined to one of the other in reverse order
        var nodes = Enumerable.Range(0, 12)
            .Select(i => PictureSamples.Row("blocks.0.hook_resid_pre", 0, "a", i, 1))
            .Concat(Enumerable.Range(0, 12).Select(i => PictureSamples.Row("blocks.1.hook_resid_pre", 0, "a", i, 1)))
            .ToList();
        var picture =
            PictureSamples.Of(nodes, [.. Enumerable.Range(0, 12).Select(i => new OnnxAttribution.Attribution.CausalEdge(i, 23 - i, 1, 1))]);
        var layout = PictureLayout.Of(picture);
        var crossings = picture.Edges.SelectMany((a, i) =>
            picture.Edges.Take(i).Select(b => (layout.X[a.Up] - layout.X[b.Up]) * (layout.X[a.Down] - layout.X[b.Down])))
            .Count(product => product < 0);
        Assert.True(crossings < 12 * 11 / 2 / 4, $"{crossings} crossings of 66");
    }

    [Fact]
    public void Twice_the_nodes_and_edges_take_no_more_than_twice_the_memory()
    {
        static long BytesFor(int nodes, int edges)
        {
            var picture = PictureSamples.Large(nodes, edges);
            Assert.Equal(edges, picture.Edges.Count);
            PictureLayout.Of(picture);   // compiled
            var before = GC.GetAllocatedBytesForCurrentThread();
            PictureLayout.Of(picture);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
        // 3.3 MB and 5.2 MB
        Assert.InRange(BytesFor(4_000, 20_000), 1, 2 * BytesFor(2_000, 10_000));
    }

    private static void AssertApart(RunPicture picture)
    {
        var layout = PictureLayout.Of(picture);
        Assert.Equal(picture.Nodes.Count, layout.X.Count);
        var taken = Enumerable.Range(0, picture.Nodes.Count).GroupBy(i => layout.Y[i]);
        foreach (var line in taken)
        {
            double[] x = [.. line.Select(i => layout.X[i]).Order()];
            for (var i = 1; i < x.Length; i++)
            {
                Assert.True(x[i] - x[i - 1] >= PictureLayout.BoxWidth + PictureLayout.GapX - 1e-6,
                    $"boxes at {x[i - 1]} and {x[i]} of y {line.Key}");
            }
        }
        double[] y = [.. taken.Select(t => t.Key).Order()];
        for (var i = 1; i < y.Length; i++) Assert.True(y[i] - y[i - 1] >= PictureLayout.BoxHeight, $"lines at {y[i - 1]} and {y[i]}");
        Assert.All(layout.X, at => Assert.InRange(at, PictureLayout.LeftMargin * 0.5, layout.Width - (PictureLayout.BoxWidth / 2)));
        Assert.All(layout.Y, at => Assert.InRange(at, PictureLayout.BoxHeight / 2, layout.Height));
    }
}
