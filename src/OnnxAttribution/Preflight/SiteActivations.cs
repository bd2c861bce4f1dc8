using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Preflight;

/// <summary>Activations of sites on laid-out sequences: one forward pass, up to the last of the sites.</summary>
internal static class SiteActivations
{
    private const int MostTokens = 2048;

    /// <returns>float32 [rows, d] per site.</returns>
    /// <exception cref="AttributionException">An activation is NaN or infinite; the message names the site.</exception>
    public static Dictionary<Site, float[]> Compute(LoadedModel model, IReadOnlyList<Site> sites, RowLayout layout)
    {
        using var forward = new ForwardPass(model, sites);
        var length = layout.Sequences.Max(s => s.Length);
        var fits = model.Context.MemoryBudget / Math.Max(1, forward.BytesPerPrompt(length));
        var most = (int)Math.Clamp(Math.Min(MostTokens / length, fits), 1, layout.Sequences.Count);
        var result = new Dictionary<Site, float[]>();
        var row = 0;
        foreach (var (first, count, longest) in layout.Batches(most))
        {
            using var values = forward.Run(layout.Padded(first, count, longest), count);
            var begun = row;
            foreach (var site in sites)
            {
                var x = FiniteValues.Require(ForwardPass.Rows(values, site), $"the activations of {site.Name}");
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
}
