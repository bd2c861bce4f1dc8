using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Preflight;

/// <summary>Activations of sites on laid-out sequences: one forward pass, up to the last of the sites.</summary>
internal static class SiteActivations
{
    private const int MostTokens = 2048;

    /// <returns>float32 [rows, d] per site.</returns>
    /// <exception cref="AttributionException">An activation is NaN or infinite; the message names the site.</exception>
    public static Dictionary<Site, float[]> Of(LoadedModel model, IReadOnlyList<Site> sites, RowLayout layout)
    {
        var graph = Forward(model.Bundle, sites);
        var length = layout.Sequences.Max(s => s.Length);
        var perSequence = FlopCount.BytesPer(graph, "batch", new Dictionary<string, long> { ["position"] = length, ["batch"] = 1 });
        var most = (int)Math.Clamp(Math.Min(MostTokens / length, model.Context.MemoryBudget / Math.Max(1, perSequence)), 1, layout.Sequences.Count);
        using var forward = new GraphRunner(graph, model.Context, model.Directory);
        var result = new Dictionary<Site, float[]>();
        var row = 0;
        foreach (var (first, count, longest) in layout.Batches(most))
        {
            using var feed = new Feed().Add("tokens", layout.Padded(first, count, longest), count, longest);
            using var values = forward.Run(feed.Values, forward.Outputs);
            var begun = row;
            foreach (var site in sites)
            {
                var x = FiniteValues.Require(values.Floats(RowsOf(site)), $"the activations of {site.Name}");
                var width = x.Length / (count * longest);
                if (!result.TryGetValue(site, out var all))
                {
                    result[site] = all = GC.AllocateUninitializedArray<float>(checked(layout.Rows * width));
                }
                row = begun;
                for (var b = 0; b < count; b++)
                {
                    var n = layout.Sequences[first + b].Length;
                    x.Slice(b * longest * width, n * width).CopyTo(all.AsSpan(row * width));
                    row += n;
                }
            }
        }
        return result;
    }

    private static OnnxGraph Forward(ModelBundle bundle, IReadOnlyList<Site> sites)
    {
        var graph = bundle.WithoutInterventions(batch: null);
        var g = new GraphBuilder("rows/");
        return new OnnxGraph([graph["tokens"]], [.. sites.Select(s => g.Identity(graph[s.Name], RowsOf(s)))]);   // [batch, position, d]
    }

    private static string RowsOf(Site site) => "rows/" + site.Name;
}
