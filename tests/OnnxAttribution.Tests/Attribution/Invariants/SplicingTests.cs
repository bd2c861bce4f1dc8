using OnnxAttribution.Attribution;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Tests.Export;

namespace OnnxAttribution.Tests.Attribution.Invariants;

public sealed class SplicingTests(Random2Bundle bundle) : IClassFixture<Random2Bundle>
{
    [Fact]
    public void Splicing_in_a_dictionary_with_its_error_leaves_the_logits_unchanged()
    {
        using var session = new PlainSession(bundle.Path);
        using var model = bundle.Open();
        var plain = session.Run(bundle.Tokens);
        var all = new Dictionary<string, (long[], float[])>();
        for (var i = 0; i < model.Selected.Count; i++)
        {
            var site = model.Selected[i].Name;
            var x = plain[site].Values;
            var (reconstruction, error) = Expanded(model.SelectedSites[i].Dictionary!, x,
                model.Encoder.Encode(model.SelectedSites[i].Dictionary!, x, bundle.Tokens.Length));
            // ε is no rest that hides a wrong x̂: without it the site is another
            Assert.True(reconstruction.Zip(x, (a, b) => Math.Abs(a - b)).Max() > 1e-2);
            all[$"{site}.scale"] = ([1, 1, 1], [0f]);
            all[$"{site}.shift"] = ([1, bundle.Tokens.Length, 16], [.. reconstruction.Zip(error, (a, b) => (float)(a + b))]);
        }
        foreach (var site in model.Selected)
        {
            var one = all.Where(f => f.Key.StartsWith(site.Name + ".", StringComparison.Ordinal)).ToDictionary();
            GraphComparison.Numbers(plain["logits"].Values, session.Run(bundle.Tokens, one, 1, "logits")["logits"].Values, 1e-5,
                $"logits with the dictionary at {site} spliced in");
        }
        GraphComparison.Numbers(plain["logits"].Values, session.Run(bundle.Tokens, all, 1, "logits")["logits"].Values, 1e-5,
            "logits with all dictionaries spliced in");
    }

    [Fact]
    public void Exact_effects_are_those_of_a_plain_session_with_the_node_taken_out()
    {
        using var session = new PlainSession(bundle.Path);
        using var model = bundle.Open();
        var graph = Random2Bundle.All(model, bundle.Tokens, null, new GraphOptions(Method: EffectMethod.Exact));
        var position = bundle.Tokens.Length - 1;
        float Metric(IReadOnlyDictionary<string, (long[], float[])>? feeds) =>
            session.Run(bundle.Tokens, feeds, 1, "logits")["logits"].Values[(position * 257) + graph.Metric.Target];
        var clean = Metric(null);
        for (var i = 0; i < model.Selected.Count; i++)
        {
            var (site, dictionary) = (model.Selected[i], model.SelectedSites[i].Dictionary!);
            foreach (var node in graph.Nodes.Where(n => n.Site == site && !n.IsError))
            {
                var x = session.Run(bundle.Tokens, null, 1, site.Name)[site.Name].Values;
                var scale = dictionary.Normalization.Statistics(x.AsSpan(node.Position * 16, 16)).Scale;
                var shift = new float[x.Length];
                for (var k = 0; k < 16; k++)
                {
                    shift[(node.Position * 16) + k] = -node.Activation * scale * dictionary.DecoderRows([node.Feature], 1)[node.Feature][k];
                }
                var without =
                    Metric(new Dictionary<string, (long[], float[])> { [$"{site.Name}.shift"] = ([1, bundle.Tokens.Length, 16], shift) });
                Assert.Equal(without - clean, node.Effect, 2e-5f * Math.Abs(clean));
            }
        }
    }

    // x̂ = (f W_dec + b_dec) · scale + mean, from the formula and not from the program's own sum
    private static (double[] Reconstruction, float[] Error) Expanded(SparseDictionary dictionary, float[] x, SparseEncoding encoding)
    {
        var d = encoding.Width;
        var result = new double[x.Length];
        for (var t = 0; t < encoding.Positions; t++)
        {
            var row = x.AsSpan(t * d, d).ToArray();
            double mean = dictionary.Normalization.Changes ? row.Average() : 0,
                scale = dictionary.Normalization.Changes ? Math.Sqrt(row.Sum(v => (v - mean) * (v - mean)) / (d - 1)) : 1;
            for (var k = 0; k < d; k++)
            {
                double sum = dictionary.DecoderBias.Span[k];
                for (var j = 0; j < encoding.Features[t].Length; j++)
                {
                    sum += (double)encoding.Activations[t][j] * encoding.Decoder[encoding.Features[t][j]][k];
                }
                result[(t * d) + k] = (sum * scale) + mean;
            }
        }
        return (result, encoding.Errors);
    }
}
