namespace OnnxAttribution.View.Page;

/// <summary>The distinct texts of a page, each written once: contexts repeat the same few thousand tokens.</summary>
internal sealed class PageStrings
{
    private readonly Dictionary<string, int> _indices = [];
    private readonly List<string> _all = [];

    public IReadOnlyList<string> All => _all;

    public int IndexOf(string text)
    {
        if (_indices.TryGetValue(text, out var index)) return index;
        _all.Add(text);
        return _indices[text] = _all.Count - 1;
    }
}
