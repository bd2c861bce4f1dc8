using System.Numerics.Tensors;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Dashboards;

/// <summary>
/// What a decoder row does to the logits directly: written into the final residual stream,
/// through the final LayerNorm with its scale held fixed, and the unembedding.
/// 1. The head is the graph from the last site to the logits;
///    under the rules of <see cref="GradientRules.Frozen"/> its tangent map is J(x) = a(x) J₀, the scale a the only thing that x enters by.
/// 2. One fixed direction pushed through at every sampled x gives a(x) up to a factor;
///    the sampled x whose a is nearest the mean stands for all, with the quotient as a factor.
/// 3. Decoder rows are pushed through there, in blocks; the mean over the vocabulary is taken away, since Softmax does not see it.
/// </summary>
/// <remarks>A soft cap of the logits is left out: it changes their order no more than their mean does, and would enter by its slope.
/// Logit lens (nostalgebraist 2020) on decoder rows.
/// Rows count as the dictionary has them: with <c>layer_norm</c> the site's own standard deviation at a token multiplies them.</remarks>
internal sealed class TokenEffects : IDisposable
{
    public const int Listed = 10;

    private const string Tangents = "dashboards.tangents", Output = "dashboards.logits";

    private readonly GraphRunner _runner;
    private readonly string _site;
    private readonly float[] _representative;
    private readonly float _factor;
    private readonly int _vocabulary;
    private readonly RunContext _context;

    private TokenEffects(ModelBundle bundle, RunContext context, ReadOnlyMemory<float> sample)
    {
        (_context, Width, _vocabulary, _site) = (context, bundle.Manifest.DModel, bundle.Manifest.DVocab, bundle.Sites[^1].Name);
        _runner = new GraphRunner(Head(bundle), context, bundle.Directory);
        _representative = new float[Width];
        (_representative, _factor) = Representative(sample);
    }

    /// <summary>Null where the logits are not read off the last site alone, or the text gave no vector.</summary>
    /// <param name="sample">[count, d]: final residual vectors.</param>
    public static TokenEffects? Create(ModelBundle bundle, RunContext context, ReadOnlyMemory<float> sample)
    {
        var graph = bundle.WithoutInterventions(batch: 1);
        var read = Topology.DirectlyReadBy(graph[ModelBundle.Logits], bundle.Sites.Select(s => graph[s.Name]).ToHashSet());
        if (sample.IsEmpty || read is not [var only] || only.Name != bundle.Sites[^1].Name) return null;
        return new TokenEffects(bundle, context, sample);
    }

    /// <summary>Width of the final residual stream, which decoder rows must have.</summary>
    public int Width { get; }

    /// <summary>Rows of one run, so that their logits take so many bytes at most.</summary>
    public int RowsAtOnce(long bytes) => (int)Math.Clamp(bytes / (sizeof(float) * _vocabulary), 1, 1024);

    /// <summary>For each row the tokens that it raises and lowers most.</summary>
    /// <param name="rows">[count, d]: decoder rows.</param>
    /// <param name="known">Ids below this have a text.</param>
    public (List<(int Token, float Logit)> Promoted, List<(int Token, float Logit)> Suppressed)[] Strongest(Memory<float> rows, int known)
    {
        var count = rows.Length / Width;
        var logits = new float[count * _vocabulary];
        Push(_representative, 1, rows, count, logits);
        var result = new (List<(int, float)>, List<(int, float)>)[count];
        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = _context.Threads }, i =>
        {
            var row = logits.AsSpan(i * _vocabulary, _vocabulary);
            TensorPrimitives.Subtract(row, (float)(TensorPrimitives.Sum<float>(row) / _vocabulary), row);
            TensorPrimitives.Multiply(row, _factor, row);
            var named = row[..Math.Min(known, _vocabulary)];
            var promoted = StrongestEntries.Find(named, Listed);
            TensorPrimitives.Negate(named, named);
            result[i] = (promoted, [.. StrongestEntries.Find(named, Listed).Select(e => (e.Index, -e.Value))]);
        });
        return result;
    }

    public void Dispose() => _runner.Dispose();

    private static OnnxGraph Head(ModelBundle bundle)
    {
        var model = bundle.WithoutInterventions(batch: 1);
        var site = model[bundle.Sites[^1].Name];                                                                      // [1, position, d]
        var g = new GraphBuilder("dashboards/");
        var tangents = g.Input(Tangents, DataType.Float, Dim.Named("rows"), Dim.Of(1), Dim.Named("position"),
            site.Shape![^1]);   // [rows, 1, position, d]
        return new OnnxGraph([site, tangents], [g.Identity(FrozenHead.Push(g, model, site, tangents), Output)]);
    }

    private (float[] Vector, float Factor) Representative(ReadOnlyMemory<float> sample)
    {
        var count = sample.Length / Width;
        var direction = new float[Width];
        var random = new Random(0);
        foreach (ref var v in direction.AsSpan()) v = (float)(random.NextDouble() - 0.5);
        var sizes = new double[count];
        var most = RowsAtOnce(64 << 20);
        for (var first = 0; first < count; first += most)
        {
            var some = Math.Min(most, count - first);
            var tangents = new float[some * Width];
            for (var i = 0; i < some; i++) direction.CopyTo(tangents, i * Width);
            var logits = new float[some * _vocabulary];
            Push(sample.Slice(first * Width, some * Width).ToArray(), some, tangents, 1, logits);
            for (var i = 0; i < some; i++)
            {
                sizes[first + i] = Math.Sqrt(TensorPrimitives.SumOfSquares<float>(logits.AsSpan(i * _vocabulary, _vocabulary)));
            }
        }
        var mean = sizes.Average();
        var nearest = Enumerable.Range(0, count).MinBy(i => Math.Abs(sizes[i] - mean));
        return (sample.Slice(nearest * Width, Width).ToArray(), sizes[nearest] > 0 ? (float)(mean / sizes[nearest]) : 1);
    }

    // either positions side by side with one tangent each, or one position with many tangents
    private void Push(float[] at, int positions, Memory<float> tangents, int rows, float[] logits)
    {
        using var feed = new Feed().Add(_site, at, 1, positions, Width).Add(Tangents, tangents, rows, 1, positions, Width);
        using var result = _runner.Run(feed.Values, [Output]);
        result.Floats(Output).CopyTo(logits);
    }
}
