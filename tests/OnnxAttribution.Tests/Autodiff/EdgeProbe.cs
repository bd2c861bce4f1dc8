using OnnxAttribution.Autodiff;
using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Autodiff;

/// <summary>
/// Nodes up- and downstream of a segment, drawn at random: a direction at a position each. Positions repeat, come in no order and leave some out, and
/// every position has slots that no node fills.
/// </summary>
internal sealed class EdgeProbe
{
    private const int D = SegmentCase.Width, Rows = 6, Tangents = 5, UnusedSlots = 2;
    private readonly int _length;
    private readonly int[] _rowPositions;
    private readonly double[][] _cotangents;
    private readonly Dictionary<string, DoubleTensor> _primal;
    private readonly Dictionary<string, (int[] Positions, double[][] Tangents, int[,] Slots)> _upstream = [];

    public EdgeProbe(SegmentCase segment, int length, int seed)
    {
        var random = new Random(seed);
        _length = length;
        _rowPositions = Positions(random, Rows);
        _cotangents = Directions(random, Rows);
        _primal = segment.Stops.ToDictionary(v => v.Name, _ => new DoubleTensor([1, length, D], [.. Directions(random, length).SelectMany(x => x)]));
        foreach (var parent in segment.Parents)
        {
            var positions = Positions(random, Tangents);
            _upstream[parent.Name] = (positions, Directions(random, Tangents), Slots(positions));
        }
    }

    /// <summary>Everything that the segment's graph may read.</summary>
    public Dictionary<string, DoubleTensor> Inputs(SegmentJacobian jacobian)
    {
        var inputs = new Dictionary<string, DoubleTensor>(_primal)
        {
            [SegmentJacobian.RowPositions] = Integers([Rows], _rowPositions),
            [SegmentJacobian.RowCotangents] = new([Rows, D], [.. _cotangents.SelectMany(c => c)]),
        };
        foreach (var parent in jacobian.Parents)
        {
            var (positions, tangents, slots) = _upstream[parent.Value.Name];
            inputs[parent.Tangents] = new([Tangents + 1, D], [.. tangents.SelectMany(t => t), .. new double[D]]);
            inputs[parent.TangentPositions] = Integers([Tangents + 1], [.. positions, 0]);
            inputs[parent.Groups] = Integers([_length], [.. Enumerable.Range(0, _length)]);
            inputs[parent.Slots] = Integers([_length, slots.GetLength(1)], [.. slots.Cast<int>()]);
        }
        return inputs;
    }

    /// <summary>[downstream node, upstream node] from what the graph yields, put together as the contract of <see cref="SegmentJacobian.Parent"/> says.</summary>
    public DoubleTensor Edges(SegmentJacobian.Parent parent, IReadOnlyDictionary<string, DoubleTensor> outputs)
    {
        var (positions, tangents, slots) = _upstream[parent.Value.Name];
        var edges = DoubleTensor.Zeros(Rows, Tangents);
        var given = new DoubleTensor([1, 1, Rows, D], [.. _cotangents.SelectMany(c => c)]);
        var rows = parent.RowsOutput is { } name ? outputs[name] : parent.IsIdentity ? given : null;
        if (rows is not null)
        {
            Assert.Equal([1, 1, Rows, D], rows.Shape);
            for (var n = 0; n < Rows; n++)
            {
                for (var u = 0; u < Tangents; u++)
                    edges.Data[n * Tangents + u] += _rowPositions[n] == positions[u] ? Dot(rows.Data.AsSpan(n * D, D), tangents[u]) : 0;
            }
        }
        if (parent.ContractedOutput is not { } contracted)
            return edges;
        Assert.Equal([_length, Rows, slots.GetLength(1)], outputs[contracted].Shape);
        for (var t = 0; t < _length; t++)
        {
            for (var n = 0; n < Rows; n++)
            {
                for (var s = 0; s < slots.GetLength(1); s++)
                {
                    var entry = outputs[contracted].At(t, n, s);
                    if (slots[t, s] < Tangents)
                        edges.Data[n * Tangents + slots[t, s]] += entry;
                    else
                        Assert.Equal(0, entry);
                }
            }
        }
        return edges;
    }

    /// <summary>The same from the full Jacobian of the segment, by central differences.</summary>
    public DoubleTensor Expected(SegmentCase segment, string parent)
    {
        var (positions, tangents, _) = _upstream[parent];
        var primal = segment.Primal.ToProto().Graph;
        var at = segment.Parents.ToDictionary(v => v.Name, v => _primal[v.Name]);
        var edges = DoubleTensor.Zeros(Rows, Tangents);
        for (var n = 0; n < Rows; n++)
        {
            var zBar = DoubleTensor.Zeros(1, _length, D);
            _cotangents[n].CopyTo(zBar.Data, _rowPositions[n] * D);
            var xBar = CentralDifferences.Vjp(primal, at, parent, segment.Output.Name, zBar);
            for (var u = 0; u < Tangents; u++)
                edges.Data[n * Tangents + u] = Dot(xBar.Data.AsSpan(positions[u] * D, D), tangents[u]);
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
        [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, D).Select(_ => (double)(float)(2 * random.NextDouble() - 1)).ToArray())];

    private int[,] Slots(int[] positions)
    {
        var slots = new int[_length, positions.GroupBy(p => p).Max(p => p.Count()) + UnusedSlots];
        for (var t = 0; t < _length; t++)
        {
            int[] nodes = [.. Enumerable.Range(0, Tangents).Where(u => positions[u] == t)];
            for (var s = 0; s < slots.GetLength(1); s++)
                slots[t, s] = s > 0 && s <= nodes.Length ? nodes[^s] : Tangents; // the first slot stays empty, the others run backwards
        }
        return slots;
    }

    private static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b) => System.Numerics.Tensors.TensorPrimitives.Dot(a, b);

    private static DoubleTensor Integers(int[] shape, int[] values) => new(shape, Array.ConvertAll(values, i => (double)i), isInteger: true);
}
