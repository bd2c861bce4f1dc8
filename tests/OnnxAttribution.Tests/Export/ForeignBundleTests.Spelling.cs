using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Export;

// spelled-out shapes, norms and activations
public sealed partial class ForeignBundleTests
{
    [Theory, InlineData("gpt2-13"), InlineData("llama-17"), InlineData("neox-16")]
    public void Shapes_are_written_down_and_not_computed(string name)
    {
        using var model = new ForeignModel(name);
        model.Export();
        var graph = OnnxGraph.FromProto(OnnxFile.Read(Path.Combine(model.Bundle, "model.onnx")));
        Assert.All(graph.Ops().Where(o => o.Type is "Reshape" or "Expand"), o => Assert.True(o.In[1]!.IsConstant, o.ToString()));
        Assert.All(graph.Ops().SelectMany(o => o.Out),
            v => Assert.True(v?.Shape?.All(d => d.Size is not null || d.Symbol is not null) != false, v?.ToString()));
    }

    [Fact]
    public void Root_mean_square_norms_are_one_operator_again()
    {
        using var model = new ForeignModel("llama-17");
        model.Export();
        var ops = OnnxGraph.FromProto(OnnxFile.Read(Path.Combine(model.Bundle, "model.onnx"))).Ops();
        Assert.Equal(5, ops.Count(o => o.Type == "RMSNormalization"));
        Assert.DoesNotContain(ops, o => o.Type is "ReduceMean" or "Sqrt" or "Pow");
    }

    [Theory, InlineData("gpt2-13", 5, 2, "tanh"), InlineData("neox-16", 5, 2, "none")]
    public void Spelled_out_norms_and_activations_are_one_operator_again(string name, int norms, int activations, string form)
    {
        using var model = new ForeignModel(name);
        model.Export();
        var ops = OnnxGraph.FromProto(OnnxFile.Read(Path.Combine(model.Bundle, "model.onnx"))).Ops();
        Assert.Equal(norms, ops.Count(o => o.Type == "LayerNormalization" && o.In.Count == 3));
        Assert.Equal(activations, ops.Count(o => o.Type == "Gelu" && o.Text("approximate", "none") == form));
        Assert.DoesNotContain(ops, o => o.Type is "ReduceMean" or "Tanh" or "Erf" or "Sqrt");
    }

    [Fact]
    public void Estimators_see_the_same_model_however_it_is_spelled()
    {
        using ForeignModel spelled = new("gpt2-13"), native = new("gpt2-17");
        spelled.Export();
        native.Export();
        using var a = LoadedModel.Open(spelled.Bundle, null, new RunContext(threads: 1));
        using var b = LoadedModel.Open(native.Bundle, null, new RunContext(threads: 1));
        var gradient = GraphFinder.Find(a, s_tokens, null, new GraphOptions().Linear().KeepingAll()).Nodes.Select(n => n.Effect).ToArray();
        foreach (var estimator in (Estimator[])[Estimator.Relp, Estimator.Frozen])
        {
            var options = new GraphOptions(Estimator: estimator).Linear().KeepingAll();
            var effects = GraphFinder.Find(a, s_tokens, null, options).Nodes.Select(n => n.Effect).ToArray();
            Close(GraphFinder.Find(b, s_tokens, null, options).Nodes.Select(n => n.Effect).ToArray(), effects);
            Assert.NotEqual(gradient, effects);
        }
    }
}
