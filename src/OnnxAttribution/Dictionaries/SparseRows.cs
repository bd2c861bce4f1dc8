namespace OnnxAttribution.Dictionaries;

/// <summary>Active features of a stretch of rows, row after row. Made once and filled again for every batch.</summary>
internal sealed class SparseRows
{
    private int[] _features = new int[1024];
    private float[] _activations = new float[1024];
    private readonly List<int> _ends = [];

    public int Rows => _ends.Count;

    public ReadOnlySpan<int> Features(int row) => _features.AsSpan(Start(row), _ends[row] - Start(row));

    public ReadOnlySpan<float> Activations(int row) => _activations.AsSpan(Start(row), _ends[row] - Start(row));

    public void Clear() => _ends.Clear();

    /// <summary>Room for one more row of at most so many features; <see cref="Close"/> ends the row.</summary>
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

    /// <summary>A feature's activation in a row; 0 where it is not active.</summary>
    public float At(int row, int feature)
    {
        var i = Features(row).IndexOf(feature);
        return i < 0 ? 0 : Activations(row)[i];
    }

    private int Start(int row) => row == 0 ? 0 : _ends[row - 1];
}
