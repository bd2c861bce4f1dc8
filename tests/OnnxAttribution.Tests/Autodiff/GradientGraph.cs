using OnnxAttribution.Autodiff;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Tests.Reference;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Autodiff;

/// <summary>The derivatives of an <see cref="OperatorCase"/> as an estimator's rules write them (true ones where none is named),
/// for a batch of directions at once.</summary>
internal static class GradientGraph
{
    /// <summary>Input "z.bar" [B, …z], outputs "x.bar" [B, …x] for every differentiable input x that a cotangent reaches.</summary>
    public static OnnxGraph Vjp(OperatorCase f, KnownAxes known, GradientRules? rules = null)
    {
        var (graph, g) = (Read(f, known), new GraphBuilder("gradient/"));
        var z = graph[OperatorCase.Output];
        var zBar = g.Input("z.bar", DataType.Float, [Dim.Named("B"), .. z.Shape ?? UnknownAxes(f)]);
        var x = f.Differentiable.Select(name => graph[name]).ToList();
        var xBars = PullBack.FromWhole(new WalkScope(g, rules ?? GradientRules.Gradient, graph.Inputs), z, zBar, x);
        return new OnnxGraph([.. graph.Inputs, zBar], [.. x.Where(xBars.ContainsKey).Select(v => g.Identity(xBars[v], v.Name + ".bar"))]);
    }

    /// <summary>Inputs "x.dot" [B, …x] for every differentiable input x,
    /// output "z.dot" [B, …z], or none where no tangent reaches z.</summary>
    public static OnnxGraph Jvp(OperatorCase f, KnownAxes known, GradientRules? rules = null)
    {
        var (graph, g) = (Read(f, known), new GraphBuilder("gradient/"));
        var xDots = f.Differentiable.Select(name => graph[name])
            .ToDictionary(x => x, x => g.Input(x.Name + ".dot", DataType.Float, [Dim.Named("B"), .. x.Shape!]));
        var z = graph[OperatorCase.Output];
        var tangents = PushForward.Run(new WalkScope(g, rules ?? GradientRules.Gradient, graph.Inputs), xDots, [z]);
        return new OnnxGraph([.. graph.Inputs, .. xDots.Values], tangents.TryGetValue(z, out var zDot) ? [g.Identity(zDot, "z.dot")] : []);
    }

    private static OnnxGraph Read(OperatorCase f, KnownAxes known)
    {
        var model = GraphSketch.ToModel(f.Graph.Clone());
        foreach (var input in model.Graph.Input)
        {
            var axes = input.Type.TensorType.Shape.Dim;
            for (var i = 0; i < axes.Count; i++)
            {
                var named = known == KnownAxes.ByName && axes[i].DimValue != 1;
                if (known == KnownAxes.ByRank) axes[i] = new TensorShapeProto.Types.Dimension();
                else if (named) axes[i] = new TensorShapeProto.Types.Dimension { DimParam = $"{input.Name}{i}" };
            }
        }
        return OnnxGraph.FromProto(model);
    }

    private static Dim[] UnknownAxes(OperatorCase f) => [.. f.Evaluate(f.Draw(seed: 0)).Shape.Select(_ => Dim.Unknown)];
}
