using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Autodiff;

/// <summary>
/// One graph that splits every direct edge into one tensor by the last attention that its paths pass: by head, and by way (value with the
/// pattern held, query, key). The parts of an edge, the paths around attention included, add up to it.
/// 1. Cotangents are pulled back from the tensor as far as the outputs of attentions, which count as cuts here, and to the parents: what
///    arrives there has passed no attention.
/// 2. From each attention's outputs they are pulled back to its queries, keys and values, whole. Where heads share keys and values, with
///    the cotangents of one head of each group at a time, since sharing adds the heads up.
/// 3. Tangents of the parents are pushed forward to there, by whatever path: as rows where positions are kept apart, whole where
///    another attention lies on the way. Both are contracted head by head, [N, d_head] with [d_head, slots].
/// </summary>
/// <remarks>The split is by where a path ends, so it needs no batch of cotangents per head, and <see cref="SegmentJacobian"/>'s
/// contraction has the same summands.</remarks>
internal sealed class SegmentHeads
{
    public required OnnxGraph Graph { get; init; }

    /// <summary>With their paths around attention, as <see cref="SegmentJacobian"/> has what arrives in rows;
    /// of the metric the output is its gradient, [1, 1, position, d].</summary>
    public required IReadOnlyList<SegmentJacobian.Parent> Parents { get; init; }

    public required IReadOnlyList<HeadOutput> Parts { get; init; }

    /// <summary>Nothing has to be run: no path passes attention, and those around it are as the cotangents were given.</summary>
    public bool NeedsNoRun => Graph.Outputs.Count == 0;

    /// <param name="output">The downstream tensor as it is computed, [1, position, d].</param>
    /// <param name="parents">The cut: tensors [1, position, d] that it is directly computed from.</param>
    /// <param name="stops">All tensors the model is cut at.</param>
    /// <param name="attentions">All of the model.</param>
    /// <exception cref="GraphException">Something else than these attentions mixes positions.</exception>
    public static SegmentHeads Build(Value output, IReadOnlyList<Value> parents, IReadOnlyList<Value> stops,
        IReadOnlyList<AttentionTensors> attentions, GradientRules rules)
    {
        var g = new GraphBuilder("heads/");
        var positions = g.Input(SegmentJacobian.RowPositions, DataType.Int64, Dim.Named("rows"));
        var given = g.Input(SegmentJacobian.RowCotangents, DataType.Float, Dim.Named("rows"), output.Shape![2]);
        var cotangents = g.Unsqueeze(given, 0, 1);                                              // [1, 1, N, d]
        var rows = new Rows(g, positions) { Spread = g.OneHot(positions, g.Squeeze(g.Shape(parents[0], 1, 2), 0)) };   // [N, T]
        var passed = Passed(output, parents, stops, attentions, rules);
        Value[] ends = [.. passed.Select(a => a.Outputs)];
        var walk = new PullBack(new WalkScope(g, rules, [.. stops, .. ends]), new HashSet<Value>());
        walk.FromRows(output, cotangents, [.. parents, .. ends], rows);
        if (walk.Whole.Keys.FirstOrDefault() is { } mixed)
        {
            throw new GraphException($"between '{mixed.Name}' and '{output.Name}' something else than attention mixes positions, "
                + "so that paths cannot be told apart by heads");
        }
        var split = new HeadContraction(new WalkScope(g, rules, stops), parents,
            PushForward.PositionWise(rules, parents.ToDictionary(p => p, _ => 1), stops, output));
        foreach (var a in passed.Where(a => walk.InRows.ContainsKey(a.Outputs)))
        {
            split.Add(a, (scope, inputs, select) =>
            {
                var through = new PullBack(scope, new HashSet<Value>());
                through.FromRows(a.Outputs, select(walk.InRows[a.Outputs].Cotangent), inputs, rows);
                return through.Whole;
            });
        }
        var links = parents.Select(p => Around(p, walk.InRows.GetValueOrDefault(p).Cotangent, cotangents)).ToList();
        var around = links.Where(l => l.RowsOutput is not null).Select(l => walk.InRows[l.Value].Cotangent);
        return Made(split, links, [.. around.Distinct(), .. split.Outputs], stops, [positions, given]);
    }

    /// <summary>The same of the paths from a metric, of which there is one, to the sites that it reads directly.</summary>
    /// <param name="gradients">Cotangents [1, 1, position, …] of the metric at parents and at outputs of attentions,
    /// along paths that end at either.</param>
    /// <param name="walk">Cut at the selected sites, and nowhere else.</param>
    public static SegmentHeads OfMetric(WalkScope walk, IReadOnlyDictionary<Value, Value> gradients, IReadOnlyList<Value> parents,
        IReadOnlyList<AttentionTensors> passed)
    {
        var (_, rules, stops) = walk;
        var axes = passed.SelectMany(a => PushForward.PositionWise(rules, parents.ToDictionary(p => p, _ => 1), stops, a.Outputs))
            .DistinctBy(axis => axis.Key)
            .ToDictionary();
        var split = new HeadContraction(walk, parents, axes);
        foreach (var a in passed.Where(a => gradients.ContainsKey(a.Outputs)))
        {
            split.Add(a, (scope, inputs, select) => PullBack.FromWhole(scope, a.Outputs, select(gradients[a.Outputs]), inputs));
        }
        var links = parents.Select(p => Around(p, gradients.GetValueOrDefault(p), null)).ToList();
        var around = links.Where(l => l.RowsOutput is not null).Select(l => gradients[l.Value]);
        return Made(split, links, [.. around, .. split.Outputs], stops, []);
    }

    /// <summary>The attentions that lie between the parents and the output.</summary>
    public static IReadOnlyList<AttentionTensors> Passed(Value output, IReadOnlyList<Value> parents, IReadOnlyList<Value> stops,
        IReadOnlyList<AttentionTensors> attentions, GradientRules rules)
    {
        var between = rules.Reached(parents, Topology.Between(stops, [output]));
        return [.. attentions.Where(a => between.Contains(a.Outputs))];
    }

    private static SegmentJacobian.Parent Around(Value parent, Value? arrived, Value? given) =>
        new(parent, arrived is null || arrived == given ? null : arrived.Name, arrived is not null && arrived == given, null);

    private static SegmentHeads Made(HeadContraction split, IReadOnlyList<SegmentJacobian.Parent> links, IReadOnlyList<Value> outputs,
        IReadOnlyList<Value> stops, IReadOnlyList<Value> given)
    {
        IReadOnlyList<Value> inputs = [.. given, .. split.Inputs];
        return new SegmentHeads
        {
            Graph = new OnnxGraph([.. inputs, .. Topology.ReadBy(outputs, stops, inputs)], outputs)
            {
                Broadcast = split.Inputs.ToHashSet(),
            },
            Parents = links,
            Parts = split.Parts,
        };
    }
}
