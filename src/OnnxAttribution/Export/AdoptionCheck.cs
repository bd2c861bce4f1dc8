using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Export;

/// <summary>Whether a bundle computes what the foreign graph computes that it was made of:
/// both are run on a few token ids, alone and two at a time, and their logits compared.</summary>
internal static class AdoptionCheck
{
    // float32 sums in another order are off by about 1e-6 of the largest logit
    private const float Tolerance = 1e-3f;

    /// <returns>The largest difference of two logits over the largest logit.</returns>
    /// <param name="bundle">Where it is, if not where it was wanted: what is being made lies aside.</param>
    /// <exception cref="BundleException">They differ, or the foreign graph does not run.</exception>
    public static float Require(AdoptionOptions options, BundleManifest manifest, string? bundle = null, CancellationToken cancel = default)
    {
        bundle ??= options.Out;
        try
        {
            var context = new RunContext(threads: options.Parallelism, cancel: cancel);
            var foreign = OnnxFile.Read(options.Onnx);
            var map = SiteMap.Read(options.SitesFile);
            Expose(foreign.Graph, map.Logits ?? "logits");
            using var theirs = Loaded(foreign, options, context);
            using var ours = new GraphRunner(OnnxFile.Read(Path.Combine(bundle, BundleManifest.GraphFileName)), context,
                Path.GetFullPath(bundle), prepack: false);
            var worst = 0f;
            foreach (var (batch, length) in ((int, int)[])[(1, Math.Min(5, manifest.NCtx)), (2, Math.Min(9, manifest.NCtx))])
            {
                long[] tokens = [.. Enumerable.Range(1, batch * length).Select(i => i * 7919L % manifest.DVocab)];
                worst = Math.Max(worst, Difference(Logits(theirs, Feed(foreign, map, tokens, batch), map.Logits ?? "logits"),
                    Logits(ours, new Feed().AddTokens(tokens, batch), ModelBundle.Logits), options.Onnx));
            }
            if (worst <= Tolerance)
            {
                RequireLength(options, manifest, map, bundle, ours);
                return worst;
            }
            throw new BundleException($"{options.Onnx}: the bundle's logits differ from the graph's by {worst:G2} of the largest; "
                + "export the model with both axes of the tokens dynamic and without randomness, or report it");
        }
        catch (Exception e) when (RuntimeFault.Is(e))
        {
            throw new BundleException($"{options.Onnx} does not run on ONNX Runtime for two prompts of nine tokens "
                + $"({RuntimeFault.Words(e)}); export it with both axes of the tokens dynamic", e);
        }
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
            Logits(ours, new Feed().AddTokens(new long[found + 1], 1), ModelBundle.Logits);
        }
        catch (Exception e) when (RuntimeFault.Is(e))
        {
            throw new BundleException($"{map.Path}: n_ctx is {manifest.NCtx}, and {options.Onnx} does not run on more than {found} tokens "
                + $"({RuntimeFault.Words(e)}); write \"n_ctx\": {found}", e);
        }
    }

    // sites.json may name a tensor that is no output
    private static void Expose(GraphProto graph, string logits)
    {
        if (graph.Output.All(o => o.Name != logits)) graph.Output.Add(new ValueInfoProto { Name = logits });
    }

    private static GraphRunner Loaded(ModelProto foreign, AdoptionOptions options, RunContext context)
    {
        try
        {
            // the bundle has all files of its data, and as files: the runtime follows no links out of a folder
            return new GraphRunner(foreign, context, Path.GetFullPath(options.Out), prepack: false);
        }
        catch (Exception e) when (RuntimeFault.Is(e))
        {
            throw new BundleException($"{options.Onnx} cannot be loaded by ONNX Runtime {RunContext.RuntimeVersion} "
                + $"({RuntimeFault.Words(e)}); export it again, with opset_version={OnnxGraph.Opset} or less", e);
        }
    }

    // what a prompt without padding and without a past has in the inputs that adoption knows
    private static Feed Feed(ModelProto model, SiteMap map, long[] tokens, int batch)
    {
        var constants = model.Graph.Initializer.Select(t => t.Name).ToHashSet();
        var length = tokens.Length / batch;
        var feed = new Feed();
        foreach (var input in model.Graph.Input.Where(i => !constants.Contains(i.Name)))
        {
            Func<int, long> entry = ForeignGraph.MeaningOf(input.Name) switch
            {
                ForeignInput.Ones => _ => 1,
                ForeignInput.Positions => i => i % length,
                ForeignInput.Zeros => _ => 0,
                _ => i => tokens[i],
            };
            var type = input.Type?.TensorType;
            var vector = type?.Shape?.Dim.Count == 1;
            long[] shape = vector ? [length] : [batch, length];
            long[] values = [.. Enumerable.Range(0, vector ? length : tokens.Length).Select(entry)];
            switch ((DataType)(type?.ElemType ?? 0))
            {
                case DataType.Int32: feed.Add(input.Name, Array.ConvertAll(values, v => (int)v), shape); break;
                case DataType.Float: feed.Add(input.Name, Array.ConvertAll(values, v => (float)v), shape); break;
                case DataType.Bool: feed.Add(input.Name, Array.ConvertAll(values, v => v != 0), shape); break;
                default: feed.Add(input.Name, values, shape); break;
            }
        }
        return feed;
    }

    private static float[] Logits(GraphRunner runner, Feed feed, string output)
    {
        using (feed)
        {
            using var result = runner.Run(feed.Values, [output]);
            return result.Copy(output);
        }
    }

    private static float Difference(float[] a, float[] b, string file)
    {
        if (!a.All(float.IsFinite))
        {
            throw new BundleException($"{file}: its logits are no finite numbers; "
                + "a weight is NaN or infinite, or float32 is too narrow for the model: export it with sound weights");
        }
        if (a.Length != b.Length) return float.PositiveInfinity;
        float largest = 0, apart = 0;
        for (var i = 0; i < a.Length; i++)
        {
            largest = Math.Max(largest, Math.Abs(a[i]));
            // NaN is no smaller than anything
            if (!(Math.Abs(a[i] - b[i]) <= apart)) apart = Math.Abs(a[i] - b[i]);
        }
        return float.IsNaN(apart) ? float.PositiveInfinity : apart == 0 ? 0 : apart / largest;
    }
}
