namespace OnnxAttribution.Dictionaries;

/// <summary>Active features of rows, row after row, in each row ascending: what an encoder finds.
/// May be cleared and filled again, so that a reader of many batches makes one.</summary>
internal sealed class SparseRows
{
    private readonly List<int> _ends = [];
    private int[] _features = new int[1024];
    private float[] _activations = new float[1024];

    public int Rows => _ends.Count;

    public ReadOnlySpan<int> Features(int row) => _features.AsSpan(Start(row), _ends[row] - Start(row));

    public ReadOnlySpan<float> Activations(int row) => _activations.AsSpan(Start(row), _ends[row] - Start(row));

    /// <summary>A feature's activation in a row; 0 where it is not active.</summary>
    public float At(int row, int feature)
    {
        var i = Features(row).BinarySearch(feature);
        return i < 0 ? 0 : Activations(row)[i];
    }

    /// <summary>Every feature that is active in some row, ascending.</summary>
    public int[] DistinctFeatures() => DistinctFeatures(Rows);

    /// <summary>Every feature that is active in one of the first rows, ascending.</summary>
    public int[] DistinctFeatures(int rows)
    {
        var all = _features.AsSpan(0, Start(rows)).ToArray();
        return [.. all.Distinct().Order()];
    }

    /// <summary>Copies of chosen rows, in the order that they are named.</summary>
    public SparseRows Select(IEnumerable<int> rows)
    {
        var chosen = new SparseRows();
        foreach (var row in rows)
        {
            var features = Features(row);
            features.CopyTo(chosen.Open(features.Length, out var activations));
            Activations(row).CopyTo(activations);
            chosen.Close(features.Length);
        }
        return chosen;
    }

    public void Clear() => _ends.Clear();

    /// <summary>Room for one more row of at most so many features, to be filled ascending; <see cref="Close"/> ends the row.</summary>
    public Span<int> Open(int most, out Span<float> activations)
    {
        var start = Start(_ends.Count);
        if (start + most > _features.Length)
        {
            var size = Math.Max(2 * _features.Length, start + most);
            Array.Resize(ref _features, size);
            Array.Resize(ref _activations, size);
        }
        activations = _activations.AsSpan(start, most);
        return _features.AsSpan(start, most);
    }

    /// <summary>Ends the row that was opened.</summary>
    public void Close(int count) => _ends.Add(Start(_ends.Count) + count);

    private int Start(int row) => row == 0 ? 0 : _ends[row - 1];
}
