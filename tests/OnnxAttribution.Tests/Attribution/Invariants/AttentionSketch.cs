using OnnxAttribution.Tests.Export;
using OnnxAttribution.Tests.Reference;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>y = x + attention(x), without mask or norm. Token t + 100 has the embedding of t but for the first four entries, which
/// only one weight reads; the other sides read the last four.</summary>
internal static class AttentionSketch
{
    /// <param name="moving">The weight: Wq, Wk or Wv.</param>
    public static SketchedModel Model(string moving, bool withPost = true)
    {
        var sketch = new SketchedModel(g => Weights(g, moving)
            .Node("q = MatMul(x, Wq)").Node("k = MatMul(x, Wk)").Node("v = MatMul(x, Wv)")
            .Node("kt = Transpose(k)", ("perm", new[] { 0, 2, 1 }))
            .Node("s = MatMul(q, kt)").Node("p = Softmax(s)", ("axis", -1)).Node("h = MatMul(p, v)").Node("o = MatMul(h, Wo)")
            .Node("a = Identity(o)").Node("y = Add(x, a)"));
        var embedding = sketch.Model.Graph.Initializer.Single(t => t.Name == "emb").FloatData;
        for (var i = 0; i < 100 * SketchedModel.Width; i++)
        {
            if (i % SketchedModel.Width >= 4) embedding[i + (100 * SketchedModel.Width)] = embedding[i];
        }
        var sites = sketch.Sites["sites"]!.AsObject();
        sites["blocks.0.hook_attn_out"] = "a";
        if (withPost) sites["blocks.0.hook_resid_post"] = "y";
        sketch.Export();
        return sketch;
    }

    private static GraphSketch Weights(GraphSketch g, string moving)
    {
        var random = new Random(3);
        foreach (var name in (string[])["Wq", "Wk", "Wv", "Wo"])
        {
            var values = Enumerable.Range(0, SketchedModel.Width * SketchedModel.Width).Select(i =>
            {
                var reads = name == "Wo" || (i / SketchedModel.Width < 4) == (name == moving);
                return reads ? (float)((4 * random.NextDouble()) - 2) : 0;
            });
            g = g.Floats(name, [SketchedModel.Width, SketchedModel.Width], [.. values]);
        }
        return g;
    }
}
