namespace OnnxAttribution.Store;

/// <summary>What a part's prompts do between the nodes of the mean, being written. Who makes it disposes it; without <see cref="Commit"/>
/// nothing stays.</summary>
internal sealed class MeanPart : IDisposable
{
    private readonly PartWriter _writer;
    private readonly PartTable<EffectRow> _effects;
    private readonly PartTable<EdgeSumRow> _edges;

    private MeanPart(PartWriter writer)
    {
        _writer = writer;
        _effects = new(_writer, "site, feature, line");
        _edges = new(_writer, "up_site, up_feature, down_site, down_feature, line");
    }

    /// <inheritdoc cref="PartWriter.TryBegin"/>
    public static MeanPart? TryBegin(DatasetDirectory dataset, int number, CancellationToken cancel) =>
        PartWriter.TryBegin(dataset, DatasetNames.Sums, number, cancel) is { } writer ? new(writer) : null;

    /// <summary>Adds a prompt.</summary>
    /// <inheritdoc cref="PartWriter.Writing" path="/exception"/>
    public void Add(IEnumerable<EffectRow> effects, IEnumerable<EdgeSumRow> edges)
    {
        _effects.Add(effects);
        _edges.Add(edges);
    }

    /// <summary>Writes the part, edges last.</summary>
    /// <inheritdoc cref="PartWriter.Writing" path="/exception"/>
    public void Commit() => _writer.Writing(() =>
    {
        using var database = _writer.Open();
        _effects.Put(database);
        _edges.Put(database);
    });

    public void Dispose() => _writer.Dispose();
}
