using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Lenses;

/// <summary>From a residual stream to logits: as the model does it, or with the last norm's scale held at another stream's, and back.
/// Kept with its model, which disposes it.</summary>
internal sealed class LensHead : IDisposable
{
    /// <summary>Outputs: logits below a soft cap, and behind it.</summary>
    public const string Below = "lens.below", Logits = "lens.logits";

    private const string Tangents = "lens.tangents", Cotangents = "lens.cotangents", Zero = "lens.zero", Gradient = "lens.gradient";

    private readonly LoadedModel _model;
    private readonly Value _site;
    private readonly Lazy<GraphRunner> _own, _held, _back;
    private readonly Lazy<float[]> _zero;

    private LensHead(LoadedModel model)
    {
        _model = model;
        _site = model.AllSites[^1];
        if (!model.Bundle.Sites[^1].IsLast || !LogitsHead.IsPositionWise(model.Graph, model.AllSites))
        {
            throw new AttributionException($"{model.Directory}: the logits are not read off a site "
                + $"blocks.{model.Bundle.Manifest.NLayers - 1}.hook_resid_post alone, position by position, so "
                + "that no lens looks through them; name that site when it is exported");
        }
        _own = new(() => model.Runner(Own()));
        _held = new(() => model.Runner(Held()));
        _back = new(() => model.Runner(Back()));
        _zero = new(() =>
        {
            using var result = Read(new float[Width], 1);
            return FiniteValues.Require(result.Copy(Below), "the logits of a stream of zeros");
        });
    }

    public static LensHead Of(LoadedModel model) => model.Owned(m => new LensHead(m));

    /// <summary>Of the stream.</summary>
    public int Width => _model.WidthOf(_model.Bundle.Sites[^1]);

    public int Vocabulary => _model.VocabularySize;

    public bool HasSoftCap => SoftCap.Below(_model.Graph[ModelBundle.Logits]) != _model.Graph[ModelBundle.Logits];

    /// <summary>[vocabulary]: logits of a stream of zeros, below a soft cap. A norm makes 0 of it, whatever its scale, so that the
    /// biases of the last norm and of the unembedding are left.</summary>
    public float[] OfZeros => _zero.Value;

    /// <summary>Whether a number that is added to all of the stream's entries changes what is read of it: a LayerNorm takes the mean out.
    /// </summary>
    public bool ReadsMean
    {
        get
        {
            var random = new Random(0);
            float[] at = [.. Enumerable.Range(0, Width).Select(_ => random.NextSingle() - 0.5f)];
            using var result = Read(at, (float[])[.. Enumerable.Repeat(1f, Width), .. at], 1);
            var (read, zero) = (result.Copy(Below), OfZeros);
            double Moved(int row) => Enumerable.Range(0, Vocabulary).Max(i => Math.Abs((double)read[(row * Vocabulary) + i] - zero[i]));
            return Moved(0) > 1e-3 * Moved(1);
        }
    }

    /// <summary>Logits of streams as the model has them, each by its own scale.</summary>
    /// <param name="x">[rows, d].</param>
    /// <returns><see cref="Below"/> and <see cref="Logits"/>, [rows, vocabulary].</returns>
    public RunResult Read(Memory<float> x, int rows)
    {
        using var feed = new Feed().Add(_site.Name, x, 1, rows, Width);
        return _own.Value.Run(feed.Values, [Below, Logits]);
    }

    /// <summary>Logits of streams by the scales of others.</summary>
    /// <param name="at">[positions, d]: whose scales are held.</param>
    /// <param name="x">[rows, positions, d].</param>
    /// <returns><see cref="Below"/> and <see cref="Logits"/>, [rows, positions, vocabulary].</returns>
    public RunResult Read(Memory<float> at, Memory<float> x, int positions)
    {
        var rows = x.Length / at.Length;
        using var feed = new Feed().Add(_site.Name, at, 1, positions, Width)
            .Add(Tangents, x, rows, 1, positions, Width)
            .Add(Zero, OfZeros, Vocabulary);
        return _held.Value.Run(feed.Values, [Below, Logits]);
    }

    /// <summary>u, [d]: what a metric reads of a stream with the scale held, so that x·u and the metric of <see cref="OfZeros"/> add up
    /// to it. Of a logit difference (W_U[:,a] − W_U[:,b]) ∘ w / scale, less its mean where the norm takes the stream's mean out.</summary>
    /// <param name="at">[d]: whose scale is held.</param>
    public float[] Pull(float[] at, Metric metric)
    {
        var cotangents = new float[Vocabulary];
        if (metric.Kind == MetricKind.Logit) Array.Fill(cotangents, -1f / Vocabulary);
        else cotangents[metric.Foil] -= 1;
        cotangents[metric.Target] += 1;
        using var feed = new Feed().Add(_site.Name, at, 1, 1, Width).Add(Cotangents, cotangents, 1, 1, 1, Vocabulary);
        using var result = _back.Value.Run(feed.Values, [Gradient]);
        return FiniteValues.Require(result.Copy(Gradient), "the metric's gradients");
    }

    /// <summary>The metric of one position's logits.</summary>
    /// <param name="below">[vocabulary].</param>
    public static double Measure(Metric metric, ReadOnlySpan<float> below)
    {
        if (metric.Kind == MetricKind.LogitDiff) return (double)below[metric.Target] - below[metric.Foil];
        double sum = 0;
        foreach (var v in below) sum += v;
        return below[metric.Target] - (sum / below.Length);
    }

    public void Dispose()
    {
        foreach (var runner in (Lazy<GraphRunner>[])[_own, _held, _back])
        {
            if (runner.IsValueCreated) runner.Value.Dispose();
        }
    }

    private OnnxGraph Own()
    {
        var (g, logits) = (new GraphBuilder("lens/"), _model.Graph[ModelBundle.Logits]);
        return new OnnxGraph([_site], [g.Identity(SoftCap.Below(logits), Below), g.Identity(logits, Logits)]);
    }

    private OnnxGraph Held()
    {
        var (g, logits) = (new GraphBuilder("lens/"), _model.Graph[ModelBundle.Logits]);
        var tangents = g.Input(Tangents, DataType.Float, Dim.Named("rows"), Dim.Of(1), Dim.Named("position"), _site.Shape![^1]);
        var zero = g.Input(Zero, DataType.Float, Dim.Of(Vocabulary));
        var read = g.Identity(g.Add(FrozenHead.Push(g, _model.Graph, _site, tangents), zero), Below);     // [rows, 1, position, V]
        var below = SoftCap.Below(logits);
        var copies = new OpCopies("lens.cap/") { [below] = read };
        copies.Through(Topology.Between([below], [logits]), _ => false);
        return new OnnxGraph([_site, tangents, zero], [read, g.Identity(copies[logits], Logits)]);
    }

    private OnnxGraph Back()
    {
        var g = new GraphBuilder("lens/");
        var cotangents = g.Input(Cotangents, DataType.Float, Dim.Of(1), Dim.Of(1), Dim.Named("position"), Dim.Of(Vocabulary));
        return new OnnxGraph([_site, cotangents], [g.Identity(FrozenHead.Pull(g, _model.Graph, _site, cotangents), Gradient)]);
    }
}
