using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Model;

namespace OnnxAttribution.Lenses;

/// <summary>
/// Follows a direction û through the residual stream of one prompt.
/// 1. The direction: a decoder row or what a metric reads, less its mean where the model's norms take the stream's out, of unit length.
/// 2. At every block and position x·û before it, what attention and MLP write of it, and x·û behind it: the sum is exact.
/// 3. Attention by heads: û is pulled back to z once for all heads of a layer.
/// 4. Features of any opened dictionary whose decoder rows point along û, with their activations.
/// </summary>
internal sealed class TraceFinder
{
    private const int RowsAtOnce = 4096;

    private readonly LoadedModel _model;
    private readonly StreamTraceOptions _options;
    private readonly LensStream _stream;

    /// <exception cref="AttributionException">The model's graph does not say what is asked for.</exception>
    public TraceFinder(LoadedModel model, StreamTraceOptions options)
    {
        (_model, _options, _stream) = (model, options, LensStream.Of(model));
        var missing = _stream.Missing ?? Enumerable.Range(0, Layers).Select(Before)
            .Where(name => _stream.Halves.All(h => h.Site != name))
            .Select(name => $"the graph names no {name}").FirstOrDefault();
        if (missing is not null)
        {
            throw new AttributionException($"{model.Directory}: {missing}, and a direction is followed from block to block; name it among "
                + "the sites of its sites file")
            {
                Settings = [Setting.Along]
            };
        }
        if (options.Heads) _ = LensHeads.Of(model);
    }

    private int Layers => _model.Bundle.Manifest.NLayers;

    /// <param name="request">A logit or a logit difference; says which tokens <c>target</c>, <c>foil</c> and <c>metric</c> mean.</param>
    /// <exception cref="AttributionException">There is no such direction, token or position, or an activation overflows.</exception>
    /// <exception cref="OperationCanceledException">The context was cancelled.</exception>
    public (StreamTrace Trace, Metric Metric) Find(int[] tokens, MetricRequest request, IProgress<string>? progress = null)
    {
        _model.RequireTokens(tokens);
        var position = request.Position ?? tokens.Length - 1;
        _model.RequirePosition(position, tokens.Length);
        progress?.Report("running the prompt");
        using var pass = _stream.Run(tokens);
        var last = pass.At(_stream.Halves[^1].Site, position).ToArray();
        using var logits = LensHead.Of(_model).Read(last, 1);
        var metric = request.Choose(position, FiniteValues.Require(logits.Copy(LensHead.Below), "the logits"));
        var direction = StreamDirection.Of(_model, _options.Along, metric, last);
        return (new StreamTrace(tokens, direction.Name, direction.Vector)
        {
            IsCentred = direction.IsCentred,
            Steps = [.. Enumerable.Range(0, Layers).SelectMany(l => Steps(pass, l, direction.Vector))],
            Heads = _options.Heads ? Heads(pass, direction.Vector) : [],
            Features = [.. Features(pass, direction, progress).OrderByDescending(f => f.Cosine)],
        }, metric);
    }

    private string Before(int layer) => layer < Layers ? $"blocks.{layer}.hook_resid_pre" : _stream.Halves[^1].Site;

    private List<TraceStep> Steps(LensPass pass, int layer, float[] u)
    {
        string[] hooks = [Before(layer), $"blocks.{layer}.hook_attn_out", $"blocks.{layer}.hook_mlp_out", Before(layer + 1)];
        foreach (var hook in hooks) _ = pass.All(hook);   // refuses what overflows
        return [.. Enumerable.Range(0, pass.Positions).Select(p =>
        {
            double[] along = [.. hooks.Select(hook => Projection.Of(pass.At(hook, p), u))];
            return new TraceStep(layer, p, along[0], along[1], along[2], along[3]);
        })];
    }

    private List<TraceHead> Heads(LensPass pass, float[] u)
    {
        var heads = LensHeads.Of(_model);
        var everywhere = Enumerable.Repeat(u, pass.Positions).SelectMany(v => v).ToArray();
        var (z, biases, found) = (heads.PullBackTo(pass, everywhere, 0), heads.Biases(), new List<TraceHead>());
        for (var l = 0; l < Layers; l++)
        {
            var (count, bias, all) = (heads.Heads[l], Projection.Of(biases[l], u), z[l].Length / pass.Positions);
            for (var p = 0; p < pass.Positions; p++)
            {
                var read = pass.At(LensHeads.Hook(l), p);
                var (sum, width) = (bias, all / count);
                for (var h = 0; h < count; h++)
                {
                    var value = Projection.Of(read.Slice(h * width, width), z[l].AsSpan((p * all) + (h * width), width));
                    sum += value;
                    found.Add(new TraceHead(l, h, p, value));
                }
                found.Add(new TraceHead(l, null, p, bias));
                heads.RequireSum(l, sum, Projection.Of(pass.At($"blocks.{l}.hook_attn_out", p), u));
            }
        }
        return found;
    }

    private IEnumerable<TraceFeature> Features(LensPass pass, StreamDirection direction, IProgress<string>? progress)
    {
        foreach (var site in LensFeatures.Sites(_model))
        {
            if (site.Dictionary!.OutputWidth != direction.Vector.Length || !LensFeatures.IsOfStream(site.Site)) continue;
            _model.Context.Cancel.ThrowIfCancellationRequested();
            progress?.Report($"features of {site.Site} along {direction.Name}");
            var alike = Alike(site, direction);
            if (alike.Count == 0) continue;
            var encoding = _model.Encoder.Encode(site.Dictionary, pass.All(site.Site.Name).ToArray(), pass.Positions);
            foreach (var (feature, cosine) in alike)
            {
                yield return new TraceFeature(site.Site.Name, feature, cosine,
                    [.. Enumerable.Range(0, pass.Positions).Select(p => encoding.ActivationOf(p, feature))]);
            }
        }
    }

    private List<(int Feature, double Cosine)> Alike(SelectedSite site, StreamDirection direction)
    {
        var (dictionary, u) = (site.Dictionary!, direction.Vector);
        var found = new List<(int, double)>();
        for (var from = 0; from < dictionary.FeatureCount; from += RowsAtOnce)
        {
            var some = Enumerable.Range(from, Math.Min(RowsAtOnce, dictionary.FeatureCount - from)).ToArray();
            var rows = dictionary.DecoderRows(some, _model.Context.Threads);
            found.AddRange(some.AsParallel().AsOrdered().WithDegreeOfParallelism(_model.Context.Threads)
                .Select(f => (f, Cosine(rows[f], u, direction.IsCentred)))
                .Where(c => c.Item2 >= _options.Cosine));
        }
        return found;
    }

    // û has no mean where it is centred, so that the row's does not enter the product, only its length
    private static double Cosine(ReadOnlySpan<float> row, float[] u, bool isCentred)
    {
        double sum = 0, squares = 0;
        foreach (var v in row) (sum, squares) = (sum + v, squares + ((double)v * v));
        var length = Math.Sqrt(Math.Max(0, squares - (isCentred ? sum * sum / row.Length : 0)));
        return length == 0 ? 0 : Math.Clamp(Projection.Of(row, u) / length, -1, 1);   // û is rounded
    }
}
