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

    private readonly GraphRunner _runner;
    private readonly Feed _fixed = new();
    private readonly Site _up;
    private readonly Site _down;
    private readonly float[] _clean;
    private readonly float[] _cleanDown;
    private readonly int _positions;
    private readonly int _rowsPerRun;
    private readonly string[] _patterns;

    public ScaledRuns(LoadedModel model, Site up, Site down, ActivationCache clean)
    {
        (_up, _down, _positions) = (up, down, clean.Tokens.Count);
        (_clean, _cleanDown) = (clean[up.Name].ToArray(), clean[down.Name].ToArray());
        var graph = model.Bundle.WithoutInterventions(batch: null);
        var (from, to) = (graph[up.Name], graph[down.Name]);
        var changed = Topology.DependentOn([from], Topology.Between([], [to]));
        // sites that the change does not reach stay at their clean values, so they need no batch
        var frozen = model.Bundle.Sites.Select(s => graph[s.Name]).Where(v => v != from && !changed.Contains(v)).ToList();
        var onTheWay = new OnnxGraph([from, .. frozen, graph["tokens"]], [to]).Ops().SelectMany(o => o.Out).ToHashSet();
        var patterns = changed.Where(v => v.Name.EndsWith(PatternHook, StringComparison.Ordinal) && onTheWay.Contains(v))
            .OrderBy(LayerOf)
            .ToList();
        (_patterns, Layers) = ([.. patterns.Select(p => p.Name)], [.. patterns.Select(LayerOf)]);
        var resumed = new OnnxGraph([from, .. frozen, graph["tokens"]], [to, .. patterns]) { Broadcast = frozen.ToHashSet() };
        var perRow = FlopCount.BytesPer(resumed, "batch", new Dictionary<string, long> { ["position"] = _positions });
        // the largest is a pattern, [H, T, T]
        var largest = Math.Max(_clean.Length, patterns.Count == 0 ? 0 : (long)model.Bundle.Manifest.NHeads * _positions * _positions);
        _rowsPerRun = BatchRows.Of(model.Context.MemoryBudget, perRow, largest, 2);
        _runner = new GraphRunner(resumed, model.Context, model.Bundle.Directory);
        foreach (var f in frozen) _fixed.Add(f.Name, clean[f.Name].ToArray(), 1, _positions, clean[f.Name].Length / _positions);
        _fixed.Add("tokens", Array.ConvertAll(clean.TokenArray, t => (long)t), 1, _positions);
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
        var perRun = _rowsPerRun - 1;
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
            using var feed = new Feed().Add(_up.Name, batch, count + 1, _positions, _clean.Length / _positions);
            foreach (var (name, value) in _fixed.Values) feed.Lend(name, value);
            using var result = _runner.Run(feed.Values, _runner.Outputs);
            take(first, count, Values(result, count), layer => Rows(result.Copy(_patterns[layer]), count));
        }
    }

    public void Dispose()
    {
        _runner.Dispose();
        _fixed.Dispose();
    }

    // the clean run's value and what each row differs from row 0 by
    private float[] Values(RunResult result, int count)
    {
        var size = _cleanDown.Length;
        var all = FiniteValues.Require(result.Floats(_down.Name), $"the activations of {_down.Name}");
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
