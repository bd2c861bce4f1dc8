using OnnxAttribution.Autodiff;
using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Autodiff;

/// <summary>
/// Nodes up- and downstream of a segment, drawn at random: a direction at a position each. Positions repeat, come in no order and leave
/// some out. Upstream nodes stand in small groups of one position, so that a position may have several groups, in no order, and slots may
/// be unused. Every parent has other numbers of nodes, groups and slots, rising with an even seed and falling with an odd one.
/// </summary>
internal sealed class EdgeProbe
{
    private const int D = SegmentCase.Width, Rows = 6;
    private readonly int _length;
    private readonly int[] _rowPositions;
    private readonly double[][] _cotangents;
    private readonly Dictionary<string, DoubleTensor> _primal;
    private readonly Dictionary<string, Upstream> _upstream = [];

    public EdgeProbe(SegmentCase segment, int length, int seed)
    {
        var random = new Random(seed);
        _length = length;
        _rowPositions = Positions(random, Rows);
        _cotangents = Directions(random, Rows);
        _primal = segment.Stops.ToDictionary(v => v.Name,
            _ => new DoubleTensor([1, length, D], [.. Directions(random, length).SelectMany(x => x)]));
        for (var i = 0; i < segment.Parents.Count; i++)
        {
            var more = seed % 2 == 0 ? i : segment.Parents.Count - 1 - i;
            var (nodes, slots) = (5 + more, 3 + more);
            var positions = Positions(random, nodes);
            _upstream[segment.Parents[i].Name] = new(positions, Directions(random, nodes), Groups(positions, slots), slots);
        }
    }

    /// <summary>Everything that the segment's graph may read.</summary>
    public Dictionary<string, DoubleTensor> Inputs(SegmentJacobian jacobian)
    {
        var inputs = new Dictionary<string, DoubleTensor>(_primal)
        {
            [SegmentJacobian.RowPositions] = Integers([Rows], _rowPositions),
            [SegmentJacobian.DistinctPositions] = Integers([_rowPositions.Distinct().Count()], [.. _rowPositions.Distinct()]),
            [SegmentJacobian.RowIndex] = Integers([Rows], [.. _rowPositions.Select(p => _rowPositions.Distinct().ToList().IndexOf(p))]),
            [SegmentJacobian.RowCotangents] = new([Rows, D], [.. _cotangents.SelectMany(c => c)]),
        };
        foreach (var parent in jacobian.Parents)
        {
            var up = _upstream[parent.Value.Name];
            inputs[parent.Tangents] = new([up.Count + 1, D], [.. up.Tangents.SelectMany(t => t), .. new double[D]]);
            inputs[parent.TangentPositions] = Integers([up.Count + 1], [.. up.Positions, 0]);
            inputs[parent.Groups] = Integers([up.Groups.Length], [.. up.Groups.Select(x => x.Position)]);
            inputs[parent.Slots] = Integers([up.Groups.Length, up.Slots], [.. up.Groups.SelectMany(x => x.Nodes)]);
        }
        return inputs;
    }

    /// <summary>[downstream node, upstream node] from what the graph yields,
    /// put together as the contract of <see cref="SegmentJacobian.Parent"/> says.</summary>
    public DoubleTensor Edges(SegmentJacobian.Parent parent, IReadOnlyDictionary<string, DoubleTensor> outputs)
    {
        var up = _upstream[parent.Value.Name];
        var edges = DoubleTensor.Zeros(Rows, up.Count);
        var given = new DoubleTensor([1, 1, Rows, D], [.. _cotangents.SelectMany(c => c)]);
        var rows = parent.RowsOutput is { } name ? outputs[name] : parent.IsIdentity ? given : null;
        if (rows is not null)
        {
            Assert.Equal([1, 1, Rows, D], rows.Shape);
            for (var n = 0; n < Rows; n++)
            {
                for (var u = 0; u < up.Count; u++)
                {
                    edges.Data[n * up.Count + u] += _rowPositions[n] == up.Positions[u]
                        ? Dot(rows.Data.AsSpan(n * D, D), up.Tangents[u])
                        : 0;
                }
            }
        }
        if (parent.PairsOutput is { } pairs) AddPairs(edges, outputs[pairs]);
        if (parent.ContractedOutput is not { } contracted) return edges;
        Assert.Equal([up.Groups.Length, Rows, up.Slots], outputs[contracted].Shape);
        for (var i = 0; i < up.Groups.Length; i++)
        {
            for (var n = 0; n < Rows; n++)
            {
                for (var s = 0; s < up.Slots; s++)
                {
                    var entry = outputs[contracted].At(i, n, s);
                    if (up.Groups[i].Nodes[s] is var u && u < up.Count) edges.Data[n * up.Count + u] += entry;
                    else Assert.Equal(0, entry);
                }
            }
        }
        return edges;
    }

    // the last tangent is zero
    private static void AddPairs(DoubleTensor edges, DoubleTensor pairs)
    {
        var count = edges.Shape[1];
        Assert.Equal([Rows, count + 1], pairs.Shape);
        for (var n = 0; n < Rows; n++)
        {
            for (var u = 0; u < count; u++) edges.Data[n * count + u] += pairs.At(n, u);
            Assert.Equal(0, pairs.At(n, count));
        }
    }

    /// <summary>The same from the full Jacobian of the segment, by central differences.</summary>
    /// <param name="rules">The estimator: what it holds fixed is a constant of the segment that is differentiated. Null: nothing.</param>
    public DoubleTensor Expected(SegmentCase segment, string parent, GradientRules? rules = null)
    {
        var up = _upstream[parent];
        var primal = segment.Primal.ToProto().Graph;
        var at = segment.Parents.ToDictionary(v => v.Name, v => _primal[v.Name]);
        if (rules is not null) (primal, at) = HeldFixed.At(primal, at, rules.Name);
        var edges = DoubleTensor.Zeros(Rows, up.Count);
        for (var n = 0; n < Rows; n++)
        {
            var zBar = DoubleTensor.Zeros(1, _length, D);
            _cotangents[n].CopyTo(zBar.Data, _rowPositions[n] * D);
            var xBar = CentralDifferences.Vjp(primal, at, (parent, segment.Output.Name), zBar);
            for (var u = 0; u < up.Count; u++) edges.Data[n * up.Count + u] = Dot(xBar.Data.AsSpan(up.Positions[u] * D, D), up.Tangents[u]);
        }
        return edges;
    }

    // the last position is left out where there is more than one, and the first node is not at the first position
    private int[] Positions(Random random, int count)
    {
        var used = Math.Max(1, _length - 1);
        return [.. Enumerable.Range(0, count).Select(i => i == 0 ? used - 1 : random.Next(used))];
    }

    private static double[][] Directions(Random random, int count) =>
        [.. Enumerable.Range(0, count)
            .Select(_ => Enumerable.Range(0, D).Select(_ => (double)(float)(2 * random.NextDouble() - 1)).ToArray())];

    // the first slot of a group stays empty, and the last group has no node at all; what is empty points at the zero row behind all nodes
    private (int Position, int[] Nodes)[] Groups(int[] positions, int slots)
    {
        int[] Filled(int[] nodes) => [positions.Length, .. nodes, .. Enumerable.Repeat(positions.Length, slots - 1 - nodes.Length)];
        var filled = Enumerable.Range(0, positions.Length).Reverse().GroupBy(u => positions[u])
            .SelectMany(at => at.Chunk(slots - 1).Select(nodes => (at.Key, Filled(nodes))));
        return [.. filled, (_length - 1, Filled([]))];
    }

    private static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b) => System.Numerics.Tensors.TensorPrimitives.Dot(a, b);

    private static DoubleTensor Integers(int[] shape, int[] values) =>
        new(shape, Array.ConvertAll(values, i => (double)i), isInteger: true);

    private sealed record Upstream(int[] Positions, double[][] Tangents, (int Position, int[] Nodes)[] Groups, int Slots)
    {
        public int Count => Positions.Length;
    }
}
