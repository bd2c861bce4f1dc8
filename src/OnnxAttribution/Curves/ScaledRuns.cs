using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Curves;

/// <summary>The model from one site to another, a batch row per change of the first; what lies before it is not computed again.
/// Attention patterns on the way are outputs too.</summary>
/// <remarks>Row 0 of each batch is left as it is: what rounding does to a run of the batch is the same
/// in all its rows, and goes with the difference.</remarks>
internal sealed class ScaledRuns : IDisposable
{
    private const string PatternHook = ".attn.hook_pattern";

    private readonly ResumedModel _resumed;
    private readonly Site _down;
    private readonly float[] _clean;
    private readonly float[] _cleanDown;
    private readonly int _positions;
    private readonly string[] _patterns;

    public ScaledRuns(LoadedModel model, Site up, Site down, ActivationCache clean)
    {
        (_down, _positions) = (down, clean.Tokens.Count);
        (_clean, _cleanDown) = (clean[up.Name].ToArray(), clean[down.Name].ToArray());
        var cut = new ModelCut(model, up);
        var to = cut.Graph[down.Name];
        var reached = cut.Reached(to);
        var held = cut.Sites.Where(s => !reached.Contains(s)).ToList();
        var onTheWay = new OnnxGraph([cut.From, .. held, cut.Graph[ModelBundle.Tokens]], [to]).Ops().SelectMany(o => o.Out).ToHashSet();
        var patterns = reached.Where(v => v.Name.EndsWith(PatternHook, StringComparison.Ordinal) && onTheWay.Contains(v))
            .OrderBy(LayerOf)
            .ToList();
        (_patterns, Layers) = ([.. patterns.Select(p => p.Name)], [.. patterns.Select(LayerOf)]);
        _resumed = new ResumedModel(model, cut, new([to, .. patterns], held)
        {
            LargestOutput = patterns.Count == 0 ? 0 : (long)model.Bundle.Manifest.NHeads * _positions * _positions,   // [H, T, T]
            LeastRows = 2,
        }, clean.TokenArray, site => clean[site].ToArray());
    }

    /// <summary>Blocks between the two sites whose attention the change can reach, ascending.</summary>
    public IReadOnlyList<int> Layers { get; }

    /// <summary>Some rows of the batch: row r, of <paramref name="rows"/>, is coefficient number first + r.</summary>
    /// <param name="values">[rows, T, d], the downstream site.</param>
    /// <param name="patterns">Of a layer, by its index: [rows, H, T, T].</param>
    public delegate void Take(int first, int rows, float[] values, Func<int, ReadOnlyMemory<float>> patterns);

    /// <summary>Runs the model with <paramref name="direction"/> times (coefficient − 1) added to the upstream site.</summary>
    /// <param name="direction">[T, d].</param>
    /// <exception cref="AttributionException">An activation overflows.</exception>
    public void ForEach(IReadOnlyList<double> coefficients, float[] direction, Take take)
    {
        var perRun = _resumed.RowsPerRun - 1;
        for (var first = 0; first < coefficients.Count; first += perRun)
        {
            var count = Math.Min(perRun, coefficients.Count - first);
            var batch = new float[(count + 1) * _clean.Length];
            _clean.CopyTo(batch, 0);
            for (var r = 0; r < count; r++)
            {
                TensorPrimitives.MultiplyAdd(direction, (float)(coefficients[first + r] - 1), _clean,
                    batch.AsSpan((r + 1) * _clean.Length, _clean.Length));
            }
            using var result = _resumed.Run(batch);
            take(first, count, Values(result, count), layer => Rows(result.Copy(_patterns[layer]), count));
        }
    }

    public void Dispose() => _resumed.Dispose();

    // the clean run's value and what each row differs from row 0 by
    private float[] Values(RunResult result, int count)
    {
        var size = _cleanDown.Length;
        var all = FiniteValues.RequireMoved(result.Floats(_down.Name), $"the activations of {_down.Name}");
        var values = new float[count * size];
        for (var r = 0; r < count; r++)
        {
            var row = values.AsSpan(r * size, size);
            TensorPrimitives.Subtract(all.Slice((r + 1) * size, size), all[..size], row);
            TensorPrimitives.Add(row, _cleanDown, row);
        }
        return values;
    }

    private static ReadOnlyMemory<float> Rows(float[] pattern, int count) => pattern.AsMemory(pattern.Length / (count + 1));

    private static int LayerOf(Value pattern) => int.Parse(pattern.Name.Split('.')[1]);
}
