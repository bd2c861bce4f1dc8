using System.Numerics.Tensors;

namespace OnnxAttribution.Attribution;

/// <summary>Effects of a site's nodes from one gradient [T, d]:
/// IE = g · Δ, with g = ∂m/∂x · W_dec[i] for a feature and the vector ∂m/∂x itself for an error.</summary>
/// <remarks>Marks et al. 2024, section 3.1; the gradient is that of the unmodified model.</remarks>
internal static class NodeEffects
{
    public static CausalNode[] Of(SiteEffects site, int threads)
    {
        var result = new CausalNode[site.Nodes.Count];
        Parallel.For(0, result.Length, new ParallelOptions { MaxDegreeOfParallelism = threads },
            i => result[i] = One(site, site.Nodes[i].Position, site.Nodes[i].Feature));
        return result;
    }

    private static CausalNode One(SiteEffects site, int t, int feature)
    {
        var g = site.GradientAt(t);
        if (feature == CausalNode.Error)
        {
            var change = site.ErrorChangeAt(t);
            var (norm, patched) = (TensorPrimitives.Norm(site.CleanEncoding.Error(t)), 0f);
            if (site.Patch is not null)
            {
                var moved = new float[site.Width];
                TensorPrimitives.Add(site.CleanEncoding.Error(t), change, moved);
                patched = TensorPrimitives.Norm<float>(moved);
            }
            return new CausalNode(site.Site, t, feature, norm, patched, float.NaN, TensorPrimitives.Dot(g, change));
        }
        var gradient = site.GradientOf(t, feature);
        return new CausalNode(site.Site, t, feature, site.CleanEncoding.ActivationOf(t, feature),
            site.PatchEncoding?.ActivationOf(t, feature) ?? 0, gradient, gradient * site.Change(t, feature));
    }
}
