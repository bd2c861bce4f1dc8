using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace OnnxAttribution.Dictionaries;

/// <summary>Which of a row's pre-activations are active features.</summary>
/// <param name="Features">Pre-activations of a row.</param>
/// <param name="K">Of TopK; null: every other kind.</param>
/// <param name="Threshold">[features], at least 0; null: 0. Not with <paramref name="K"/>.</param>
/// <param name="KeepsSign">Of TopK: the k largest are active also where they are below 0, but for zeros.</param>
internal readonly record struct ActiveRule(int Features, int? K, float[]? Threshold = null, bool KeepsSign = false);

/// <summary>
/// Finds the active features in rows of pre-activations: those above 0 or their own threshold and,
/// of a TopK dictionary, among the k largest, the lower feature first where two are equal.
/// 1. A pass of whole vectors picks what is above a floor: 0, the thresholds, or for TopK a guess from the row before, which leaves few.
/// 2. If fewer than k are, the row is read again with floor 0; else the k largest are selected among them.
/// </summary>
/// <remarks>Whatever the guess, the answer is the same. For one thread at a time.</remarks>
internal sealed class ActiveFinder
{
    private ulong[] _found = [];
    private float _guess;

    /// <summary>Adds the rows' active features.</summary>
    /// <param name="values">[rows, features].</param>
    public void Add(ReadOnlySpan<float> values, ActiveRule rule, SparseRows to)
    {
        if (_found.Length < rule.Features) _found = new ulong[rule.Features];
        for (; values.Length > 0; values = values[rule.Features..])
        {
            var row = values[..rule.Features];
            var found = rule.K is { } k ? Largest(row, k) : rule.Threshold is { } least ? AboveThreshold(row, least) : Above(row, 0);
            if (rule is { KeepsSign: true, K: { } most } && found < most)
            {
                AddSigned(row, most, to);
                continue;
            }
            var at = to.Open(found, out var activations);
            for (var i = 0; i < found; i++) (at[i], activations[i]) = (Feature(_found[i]), Activation(_found[i]));
            if (rule.K is not null) at.Sort(activations);
            to.Close(found);
        }
    }

    // fewer than k are above 0, so that some of the k largest are not; rare, and not worth a quicker way
    private static void AddSigned(ReadOnlySpan<float> row, int k, SparseRows to)
    {
        var values = row.ToArray();
        int[] largest = [.. Enumerable.Range(0, values.Length).OrderByDescending(i => values[i]).ThenBy(i => i).Take(k)
            .Where(i => values[i] != 0).Order()];
        var at = to.Open(largest.Length, out var activations);
        for (var i = 0; i < largest.Length; i++) (at[i], activations[i]) = (largest[i], values[largest[i]]);
        to.Close(largest.Length);
    }

    private int Largest(ReadOnlySpan<float> row, int k)
    {
        var found = Above(row, _guess);
        if (found < k && _guess > 0) found = Above(row, 0);
        if (found > k)
        {
            SelectLargest(_found.AsSpan(0, found), k);
            found = k;
        }
        // a row of fewer positive ones says nothing about the next
        _guess = found < k ? 0 : 0.75f * Activation(Least(_found.AsSpan(0, found)));
        return found;
    }

    // a key orders by activation, then by feature, lower first; positive floats order as their bits do
    private static ulong Key(float activation, int feature) => ((ulong)BitConverter.SingleToUInt32Bits(activation) << 32) | (uint)~feature;

    private static int Feature(ulong key) => ~(int)(uint)key;

    private static float Activation(ulong key) => BitConverter.UInt32BitsToSingle((uint)(key >> 32));

    private int Above(ReadOnlySpan<float> row, float floor)
    {
        var (count, i) = (0, 0);
        ref var first = ref MemoryMarshal.GetReference(row);
        if (Vector512.IsHardwareAccelerated)
        {
            var least = Vector512.Create(floor);
            for (; i <= row.Length - Vector512<float>.Count; i += Vector512<float>.Count)
            {
                for (var bits = Vector512.GreaterThan(Vector512.LoadUnsafe(ref first, (nuint)i), least).ExtractMostSignificantBits();
                    bits != 0; bits &= bits - 1)
                {
                    Take(row, i + BitOperations.TrailingZeroCount(bits), ref count);
                }
            }
        }
        else
        {
            var least = Vector256.Create(floor);
            for (; i <= row.Length - Vector256<float>.Count; i += Vector256<float>.Count)
            {
                for (var bits = Vector256.GreaterThan(Vector256.LoadUnsafe(ref first, (nuint)i), least).ExtractMostSignificantBits();
                    bits != 0; bits &= bits - 1)
                {
                    Take(row, i + BitOperations.TrailingZeroCount(bits), ref count);
                }
            }
        }
        for (; i < row.Length; i++)
        {
            if (row[i] > floor) Take(row, i, ref count);
        }
        return count;
    }

    private int AboveThreshold(ReadOnlySpan<float> row, ReadOnlySpan<float> least)
    {
        var (count, i) = (0, 0);
        ref var first = ref MemoryMarshal.GetReference(row);
        ref var floors = ref MemoryMarshal.GetReference(least);
        for (; i <= row.Length - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            var above = Vector256.GreaterThan(Vector256.LoadUnsafe(ref first, (nuint)i), Vector256.LoadUnsafe(ref floors, (nuint)i));
            for (var bits = above.ExtractMostSignificantBits(); bits != 0; bits &= bits - 1)
            {
                Take(row, i + BitOperations.TrailingZeroCount(bits), ref count);
            }
        }
        for (; i < row.Length; i++)
        {
            if (row[i] > least[i]) Take(row, i, ref count);
        }
        return count;
    }

    private void Take(ReadOnlySpan<float> row, int i, ref int count) => _found[count++] = Key(row[i], i);

    private static ulong Least(ReadOnlySpan<ulong> keys)
    {
        var least = keys[0];
        foreach (var key in keys) least = Math.Min(least, key);
        return least;
    }

    // quickselect: the k largest come first; keys are all different
    private static void SelectLargest(Span<ulong> keys, int k)
    {
        for (var (low, high) = (0, keys.Length - 1); low < high;)
        {
            var pivot = keys[low + ((high - low) / 2)];
            var (i, j) = (low, high);
            while (i <= j)
            {
                while (keys[i] > pivot) i++;
                while (keys[j] < pivot) j--;
                if (i <= j)
                {
                    (keys[i], keys[j]) = (keys[j], keys[i]);
                    (i, j) = (i + 1, j - 1);
                }
            }
            if (k - 1 <= j) high = j;
            else if (k - 1 >= i) low = i;
            else return;
        }
    }
}
