using System.Numerics.Tensors;

namespace OnnxAttribution.Clusters;

/// <summary>Sparse vectors of unit length, so that their dot products are cosines.</summary>
internal sealed class UnitVectors
{
    private readonly List<int[]> _columns = [];
    private readonly List<float[]> _values = [];

    /// <summary>How many vectors there are.</summary>
    public int Count => _columns.Count;

    /// <summary>Columns from 0 to one less occur.</summary>
    public int Width { get; private set; }

    /// <summary>Values that are kept, of all vectors together.</summary>
    public long Entries { get; private set; }

    /// <summary>Adds a vector, made as long as 1.</summary>
    /// <param name="columns">Each once.</param>
    /// <param name="values">As many; not all of them 0.</param>
    /// <exception cref="ArgumentException">The vector has no length.</exception>
    public void Add(int[] columns, float[] values)
    {
        var squares = 0.0;
        foreach (var value in values) squares += (double)value * value;
        var length = Math.Sqrt(squares);
        if (!(length > 0) || !double.IsFinite(length)) throw new ArgumentException("A vector has a length.", nameof(values));
        _columns.Add(columns);
        _values.Add(Array.ConvertAll(values, v => (float)(v / length)));
        Width = Math.Max(Width, TensorPrimitives.Max<int>(columns) + 1);
        Entries += columns.Length;
    }

    /// <summary>Adds a vector of which every column is kept.</summary>
    /// <inheritdoc cref="Add(int[], float[])" path="/exception"/>
    public void Add(float[] values) => Add([.. Enumerable.Range(0, values.Length)], values);

    /// <summary>Chosen vectors, with the same columns.</summary>
    public UnitVectors Only(IReadOnlyList<int> chosen)
    {
        var some = new UnitVectors { Width = Width };
        foreach (var row in chosen)
        {
            some._columns.Add(_columns[row]);
            some._values.Add(_values[row]);
            some.Entries += _columns[row].Length;
        }
        return some;
    }

    /// <summary>The columns of a vector.</summary>
    public int[] Columns(int row) => _columns[row];

    /// <summary>Its values there.</summary>
    public float[] Values(int row) => _values[row];

    /// <summary>The cosine of two vectors.</summary>
    /// <param name="dense">[<see cref="Width"/>] zeros, which it is left with.</param>
    public double Cosine(int one, int other, float[] dense)
    {
        Scatter(one, dense);
        var cosine = Dot(other, dense);
        foreach (var column in _columns[one]) dense[column] = 0;
        return cosine;
    }

    /// <summary>Writes a vector into zeros.</summary>
    public void Scatter(int row, float[] dense)
    {
        var (columns, values) = (_columns[row], _values[row]);
        for (var i = 0; i < columns.Length; i++) dense[columns[i]] = values[i];
    }

    /// <summary>Its product with a dense vector.</summary>
    public double Dot(int row, ReadOnlySpan<float> dense)
    {
        var (columns, values) = (_columns[row], _values[row]);
        var sum = 0.0;
        for (var i = 0; i < columns.Length; i++) sum += (double)values[i] * dense[columns[i]];
        return sum;
    }
}
