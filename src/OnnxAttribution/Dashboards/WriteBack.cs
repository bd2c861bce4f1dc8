using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Dashboards;

/// <summary>What decoder rows of <c>attn.hook_z</c> write into the residual stream: they go through W_O first.
/// Owns its session; who makes one disposes it.</summary>
/// <remarks>The map is the tangent map from z to the block's <c>hook_attn_out</c>, read off the graph;
/// it is linear, so that no activation enters.</remarks>
internal sealed class WriteBack : IDisposable
{
    private const string Rows = "dashboards.rows", Written = "dashboards.written";

    private readonly GraphRunner _runner;
    private readonly int _width;

    private WriteBack(OnnxGraph graph, int width, ModelBundle bundle, RunContext context) =>
        (_runner, _width) = (new GraphRunner(graph, context, bundle.Directory), width);

    /// <summary>Null where the model has no such map: z leads to the attention's output by more than a product.</summary>
    public static WriteBack? Create(ModelBundle bundle, Site site, RunContext context)
    {
        var model = bundle.WithoutInterventions(batch: 1);
        if (!model.Values.TryGetValue($"blocks.{site.Layer}.hook_attn_out", out var output)
            || model[site.Name].Shape![^1].Size is not { } width)
        {
            return null;
        }
        var g = new GraphBuilder("dashboards/");
        var tangents = g.Input(Rows, DataType.Float, Dim.Named("rows"), Dim.Of(1), Dim.Named("position"), Dim.Of(width));
        var z = model[site.Name];
        var pushed = PushForward.Run(new WalkScope(g, GradientRules.Frozen, [z]),
            new Dictionary<Value, Value> { [z] = tangents }, [output]);
        if (!pushed.TryGetValue(output, out var written)) return null;
        var graph = new OnnxGraph([tangents], [g.Identity(written, Written)]);
        return graph.Ops().SelectMany(op => op.In).Any(v => v is { IsInput: true } && v != tangents)
            ? null
            : new WriteBack(graph, (int)width, bundle, context);
    }

    /// <param name="rows">[count, heads · d_head].</param>
    /// <returns>[count, d].</returns>
    public float[] Write(Memory<float> rows)
    {
        var count = rows.Length / _width;
        using var feed = new Feed().Add(Rows, rows, count, 1, 1, _width);
        using var result = _runner.Run(feed.Values, [Written]);
        return result.Copy(Written);
    }

    public void Dispose() => _runner.Dispose();
}
