namespace OnnxAttribution.Curves;

/// <summary>
/// Follows attention patterns from coefficient to coefficient.
/// 1. Whenever a head's most attended key changes at a query position, that is a switch;
///    one between keys that never had <see cref="Least"/> is noise of a flat pattern and is passed over.
/// 2. Which query positions matter to a downstream position q: q itself and, going back from the last block,
///    every position that a head looks at from a position that matters, with at least <see cref="Least"/> at some coefficient.
/// </summary>
/// <param name="layers">Blocks whose patterns are seen, ascending.</param>
internal sealed class AttentionWatch(IReadOnlyList<int> layers, int positions)
{
    /// <summary>Attention that counts: a twentieth of what a query has to give.</summary>
    public const float Least = 0.05f;

    private readonly List<(int Step, int Layer, AttentionSwitch Switch)> _switches = [];
    private readonly bool[]?[] _reads = new bool[layers.Count][];   // per layer, [T, T]: query looks at key
    private readonly float[]?[] _last = new float[layers.Count][];  // per layer, [H, T, T] of the coefficient before

    /// <summary>The pattern of one block at one coefficient; coefficients come in their order.</summary>
    /// <param name="layer">Index into the layers.</param>
    /// <param name="pattern">[H, T, T]: head, query, key.</param>
    public void See(int step, int layer, ReadOnlySpan<float> pattern)
    {
        var reads = _reads[layer] ??= new bool[positions * positions];
        var last = _last[layer];
        for (var row = 0; row < pattern.Length / positions; row++)
        {
            var (head, query) = (row / positions, row % positions);
            var now = pattern.Slice(row * positions, positions);
            for (var k = 0; k <= query; k++) reads[(query * positions) + k] |= now[k] >= Least;
            if (last is null) continue;
            var before = last.AsSpan(row * positions, positions);
            var (from, to) = (Top(before), Top(now));
            if (from == to || Math.Max(before[from], now[to]) < Least) continue;
            _switches.Add(
                (step, layer, new AttentionSwitch(layers[layer], head, query, from, to, (before[from], before[to]), (now[from], now[to]))));
        }
        _last[layer] = pattern.ToArray();
    }

    /// <summary>The switches that matter to a downstream position, by step, block, query and head.</summary>
    public IEnumerable<(int Step, AttentionSwitch Switch)> SwitchesFor(int position)
    {
        var matters = Mattering(position);
        return _switches.Where(s => matters[s.Layer][s.Switch.Query])
            .OrderBy(s => s.Step)
            .ThenBy(s => s.Layer)
            .ThenBy(s => s.Switch.Query)
            .ThenBy(s => s.Switch.Head)
            .Select(s => (s.Step, s.Switch));
    }

    // per layer: the query positions whose pattern can reach the downstream position
    private bool[][] Mattering(int position)
    {
        var result = new bool[layers.Count][];
        var now = new bool[positions];
        now[position] = true;
        for (var l = layers.Count - 1; l >= 0; l--)
        {
            result[l] = now;
            var before = (bool[])now.Clone();
            if (_reads[l] is { } reads)
            {
                for (var q = 0; q < positions; q++)
                {
                    if (!now[q]) continue;
                    for (var k = 0; k <= q; k++) before[k] |= reads[(q * positions) + k];
                }
            }
            now = before;
        }
        return result;
    }

    private static int Top(ReadOnlySpan<float> weights) => System.Numerics.Tensors.TensorPrimitives.IndexOfMax(weights);
}
