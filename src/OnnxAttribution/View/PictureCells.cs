namespace OnnxAttribution.View;

/// <summary>Nodes by row and column of the layout, each cell in the order it is drawn.</summary>
/// <param name="rows">The metric's is the last.</param>
/// <param name="columns">What a column stands for, a position or a kind of site, and its label.</param>
internal sealed class PictureCells(int rows, IReadOnlyList<(object Key, string Label)> columns)
{
    private static readonly IReadOnlyList<int> s_none = [];
    private readonly Dictionary<(int Row, int Column), List<int>> _nodes = [];
    private readonly Dictionary<object, int> _places = columns.Select((c, i) => (c.Key, i)).ToDictionary(p => p.Key, p => p.i);

    public int Rows => rows;
    public int Columns => columns.Count;

    public string Label(int column) => columns[column].Label;

    /// <summary>null where the column is no token position.</summary>
    public int? Position(int column) => columns[column].Key is int position and >= 0 ? position : null;

    /// <summary>null where no column stands for it.</summary>
    public int? Column(object key) => _places.TryGetValue(key, out var place) ? place : null;

    public IReadOnlyList<int> At(int row, int column) => _nodes.TryGetValue((row, column), out var nodes) ? nodes : s_none;

    public void Add(int row, int column, int node)
    {
        if (!_nodes.TryGetValue((row, column), out var nodes)) _nodes[(row, column)] = nodes = [];
        nodes.Add(node);
    }

    public void Set(int row, int column, List<int> nodes)
    {
        if (nodes.Count > 0) _nodes[(row, column)] = nodes;
    }
}
