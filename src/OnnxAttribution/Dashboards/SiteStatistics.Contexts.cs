using OnnxAttribution.Dictionaries;

namespace OnnxAttribution.Dashboards;

internal sealed partial class SiteStatistics
{
    /// <summary>Numbers of places in one sequence; two places less than two windows apart overlap.</summary>
    private const long Stride = 1L << 24;

    private readonly float[] _slotActivation;
    private readonly long[] _slotPlace;          // sequence × Stride + position
    private readonly int[] _slotShape;           // tokens × 65,536 + peak
    private readonly int[] _slotTokens;
    private readonly ushort[] _slotActivations;  // bits of a Half: three digits are kept anyway

    private int Width => (2 * _options.Window) + 1;

    /// <param name="place">Of its position 0.</param>
    private readonly ref struct Sequence(long place, ReadOnlySpan<int> tokens, int first, SparseRows rows, int row)
    {
        public readonly long Place = place;
        public readonly ReadOnlySpan<int> Tokens = tokens;
        public readonly int First = first;
        public readonly SparseRows Rows = rows;
        public readonly int Row = row;
    }

    /// <summary>A context as it was kept.</summary>
    /// <param name="Place">Ascending in the order of the text.</param>
    public readonly record struct Kept(float Activation, long Place, int Peak, int[] Tokens, float[] Activations)
    {
        public bool Overlaps(in Kept other, int window) => Math.Abs(Place - other.Place) <= 2 * window;

        public bool HasTokensOf(in Kept other) => Peak == other.Peak && Tokens.AsSpan().SequenceEqual(other.Tokens);
    }

    /// <summary>The strongest contexts, strongest first, the earlier first where two are equal.</summary>
    public IReadOnlyList<Kept> Top(int feature) =>
        [.. Enumerable.Range(0, _topCount[feature])
            .Select(i => Read(SlotOf(feature, i)))
            .OrderByDescending(k => k.Activation)
            .ThenBy(k => k.Place)];

    /// <summary>The samples, in the same order; they may overlap top contexts and each other.</summary>
    public IReadOnlyList<Kept> Samples(int feature) =>
        [.. Enumerable.Range(0, (int)Math.Min(_count[feature], _options.Samples))
            .Select(i => Read(SlotOf(feature, _top + i)))
            .OrderByDescending(k => k.Activation)
            .ThenBy(k => k.Place)];

    private int SlotOf(int feature, int i) => (feature * _slots) + i;

    // takes a context among the top, in the stead of the one with the same tokens, of an empty place, or of the weakest
    private void Enter(int f, int p, float a, in Sequence here)
    {
        var (first, length, shape) = Window(p, here);
        var window = here.Tokens.Slice(first, length);
        var weakest = -1;
        for (var i = 0; i < _topCount[f]; i++)
        {
            var slot = SlotOf(f, i);
            if (_slotShape[slot] == shape && _slotTokens.AsSpan(slot * Width, length).SequenceEqual(window))
            {
                if (a > _slotActivation[slot]) Put(slot, f, p, a, here);
                SetThreshold(f);
                return;
            }
            if (weakest < 0 || IsWeaker(slot, weakest)) weakest = slot;
        }
        Put(_topCount[f] < _top ? SlotOf(f, _topCount[f]++) : weakest, f, p, a, here);
        SetThreshold(f);
    }

    private bool IsWeaker(int slot, int than) =>
        _slotActivation[slot] != _slotActivation[than]
            ? _slotActivation[slot] < _slotActivation[than]
            : _slotPlace[slot] > _slotPlace[than];

    private void SetThreshold(int f)
    {
        if (_topCount[f] < _top) return;
        var least = float.PositiveInfinity;
        for (var i = 0; i < _top; i++) least = Math.Min(least, _slotActivation[SlotOf(f, i)]);
        _threshold[f] = least;
    }

    private (int First, int Length, int Shape) Window(int p, in Sequence here)
    {
        var first = Math.Max(here.First, p - _options.Window);
        var length = Math.Min(here.Tokens.Length, p + _options.Window + 1) - first;
        return (first, length, (length << 16) | (p - first));
    }

    private void Put(int slot, int f, int p, float a, in Sequence here)
    {
        var (first, length, shape) = Window(p, here);
        (_slotActivation[slot], _slotPlace[slot], _slotShape[slot]) = (a, here.Place + p, shape);
        here.Tokens.Slice(first, length).CopyTo(_slotTokens.AsSpan(slot * Width));
        var activations = _slotActivations.AsSpan(slot * Width, length);
        for (var i = 0; i < length; i++)
        {
            activations[i] = BitConverter.HalfToUInt16Bits((Half)Math.Min(here.Rows.At(here.Row + first + i, f), (float)Half.MaxValue));
        }
    }

    private Kept Read(int slot)
    {
        var (length, peak) = (_slotShape[slot] >> 16, _slotShape[slot] & 0xFFFF);
        var activations = new float[length];
        for (var i = 0; i < length; i++) activations[i] = (float)BitConverter.UInt16BitsToHalf(_slotActivations[(slot * Width) + i]);
        activations[peak] = _slotActivation[slot];
        return new Kept(_slotActivation[slot], _slotPlace[slot], peak, _slotTokens.AsSpan(slot * Width, length).ToArray(), activations);
    }
}
