using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Export;

/// <summary>Whether a bundle computes what the foreign graph computes that it was made of:
/// both are run on a few token ids, alone and two at a time, and their logits compared.</summary>
internal static class AdoptionCheck
{
    // float32 sums in another order are off by about 1e-6 of the largest logit
    private const float Tolerance = 1e-3f;

    // a number of 11 or 8 bits is off by 5e-4 or 4e-3, and so is each tensor on the way: more than this has another cause
    private const float HalfTolerance = 0.25f;

    /// <returns>The largest difference of two logits over the largest logit.</returns>
    /// <param name="bundle">Where it is, if not where it was wanted: what is being made lies aside.</param>
    /// <param name="say">Told how far a graph of half precision is from the bundle, which computes in float32.</param>
    /// <exception cref="BundleException">They differ, or the foreign graph does not run.</exception>
    public static float Require(AdoptionOptions options, BundleManifest manifest, string? bundle = null, Action<string>? say = null,
        CancellationToken cancel = default)
    {
        bundle ??= options.Out;
        try
        {
            var context = new RunContext(threads: options.Parallelism, cancel: cancel);
            var map = SiteMap.Read(options.SitesFile);
            using var ours = new GraphRunner(OnnxFile.Read(Path.Combine(bundle, BundleManifest.GraphFileName)), context,
                Path.GetFullPath(bundle), prepack: false);
            using var original = new ForeignOriginal(options, map, Path.GetFullPath(bundle));
            var isHalf = manifest.Adopted?.Widened.Count > 0;
            float worst;
            using (var theirs = isHalf ? original.InFloat32(context) : original.AsItIs(context)) worst = Worst(theirs, manifest, ours);
            if (float.IsNaN(worst))
            {
                throw new BundleException($"{options.Onnx}: its logits are no finite numbers; "
                    + "a weight is NaN or infinite, or float32 is too narrow for the model: export it with sound weights");
            }
            if (worst > Tolerance)
            {
                throw new BundleException($"{options.Onnx}: the bundle's logits differ from the graph's by {worst:G2} of the largest; "
                    + "export the model with both axes of the tokens dynamic and without randomness, or report it");
            }
            RequireLength(options, manifest, map, bundle, ours);
            if (isHalf) CompareHalf(options.Onnx, manifest, () => original.AsItIs(context), ours, say);
            return worst;
        }
        catch (Exception e) when (RuntimeFault.Is(e))
        {
            throw new BundleException($"{options.Onnx} does not run on ONNX Runtime for two prompts of nine tokens "
                + $"({RuntimeFault.Words(e)}); export it with both axes of the tokens dynamic", e);
        }
    }

    // NaN: the graph's own are no finite numbers
    private static float Worst(ForeignOriginal.Loaded theirs, BundleManifest manifest, GraphRunner ours)
    {
        var worst = 0f;
        foreach (var (batch, length) in ((int, int)[])[(1, Math.Min(5, manifest.NCtx)), (2, Math.Min(9, manifest.NCtx))])
        {
            long[] tokens = [.. Enumerable.Range(1, batch * length).Select(i => i * 7919L % manifest.DVocab)];
            worst = Math.Max(worst, Difference(theirs.Logits(tokens, batch), Logits(ours, new Feed().AddTokens(tokens, batch))));
        }
        return worst;
    }

    // the graph as it is, in 16 bits: not every runtime has kernels for it
    private static void CompareHalf(string file, BundleManifest manifest, Func<ForeignOriginal.Loaded> load, GraphRunner ours,
        Action<string>? say)
    {
        var name = string.Join(" and ", manifest.Adopted!.Widened.Keys);
        var compared = $"the graph computes in {name}, the bundle in float32, which was compared with the graph in float32";
        float apart;
        try
        {
            using var theirs = load();
            apart = Worst(theirs, manifest, ours);
        }
        catch (Exception e) when (RuntimeFault.Is(e) || (e is BundleException && e.InnerException is { } inner && RuntimeFault.Is(inner)))
        {
            say?.Invoke($"{compared}; in {name} ONNX Runtime does not run it here");
            return;
        }
        if (apart > HalfTolerance)
        {
            throw new BundleException($"{file}: the bundle's logits, in float32, differ from the graph's in {name} by {apart:G2} of the "
                + "largest, more than rounding does; export the model in float32 and compare, or report it");
        }
        say?.Invoke(float.IsNaN(apart)
            ? $"{compared}; in {name} its logits are no finite numbers: {name} is too narrow for it"
            : $"{compared}; in {name} its logits differ by {apart:G2} of the largest");
    }

    // a table that is no table of positions, as one of distances, may be shorter than the prompts that a graph takes: so it is tried
    private static void RequireLength(AdoptionOptions options, BundleManifest manifest, SiteMap map, string bundle, GraphRunner ours)
    {
        if (map.Positions is null
            || ContextLength.Of(OnnxGraph.FromProto(OnnxFile.Read(Path.Combine(bundle, BundleManifest.GraphFileName)))) is not { } found
            || found >= manifest.NCtx)
        {
            return;
        }
        try
        {
            Logits(ours, new Feed().AddTokens(new long[found + 1], 1));
        }
        catch (Exception e) when (RuntimeFault.Is(e))
        {
            throw new BundleException($"{map.Path}: n_ctx is {manifest.NCtx}, and {options.Onnx} does not run on more than {found} tokens "
                + $"({RuntimeFault.Words(e)}); write \"n_ctx\": {found}", e);
        }
    }

    private static float[] Logits(GraphRunner ours, Feed feed)
    {
        using (feed)
        {
            using var result = ours.Run(feed.Values, [ModelBundle.Logits]);
            return result.Copy(ModelBundle.Logits);
        }
    }

    private static float Difference(float[] theirs, float[] ours)
    {
        if (!theirs.All(float.IsFinite)) return float.NaN;
        if (theirs.Length != ours.Length) return float.PositiveInfinity;
        float largest = 0, apart = 0;
        for (var i = 0; i < theirs.Length; i++)
        {
            largest = Math.Max(largest, Math.Abs(theirs[i]));
            var difference = Math.Abs(theirs[i] - ours[i]);
            apart = Math.Max(apart, float.IsNaN(difference) ? float.PositiveInfinity : difference);
        }
        return apart == 0 ? 0 : apart / largest;
    }
}
