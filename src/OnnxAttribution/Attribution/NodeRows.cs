using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>How many nodes stand at which position of each selected site.</summary>
internal sealed class NodeRows
{
    private readonly LoadedModel _model;
    private readonly ExpectedNodes _expected;

    public NodeRows(LoadedModel model, GraphOptions options, ExpectedNodes expected, int positions)
    {
        (_model, _expected, Positions) = (model, expected, positions);
        var kept = model.SelectedSites.Select((_, i) => expected.KeptAt(i, positions, options)).ToList();
        foreach (var (i, site) in model.SelectedSites.Index())
        {
            var (into, from) = ((int[])kept[i].Clone(), (int[])kept[i].Clone());
            // features of earlier cross-layer transcoders write here too
            foreach (var (w, other) in model.SelectedSites.Index())
            {
                if (w == i || other.Mlp is not { } mlp || !mlp.Outputs.Contains(site.Site)) continue;
                for (var t = 0; t < positions; t++) from[t] += kept[w][t];
            }
            for (var t = 0; t < positions; t++)
            {
                if (t < site.ZeroPositions) into[t] = from[t] = 0;
                else from[t]++;
                if (site.Mlp is null) into[t]++;
            }
            Cotangents.Add(into);
            Tangents.Add(from);
        }
        Lumped = options.LumpedBeyond is { } top ? model.SelectedSites.Count * (long)Math.Max(0, positions - top - 1) : 0;
    }

    public int Positions { get; }

    /// <summary>[T] of each selected site: nodes that edges lead into.</summary>
    public List<int[]> Cotangents { get; } = [];

    /// <summary>[T] of each selected site: nodes that edges lead from, errors among them.</summary>
    public List<int[]> Tangents { get; } = [];

    /// <summary>Errors that are no nodes of their own.</summary>
    public long Lumped { get; }

    /// <summary>Nodes of all sites, kept or not.</summary>
    public long Count => _expected.Sites.Sum(OfSite);

    /// <summary>Features of each site that are active somewhere, were they drawn anew at each position.</summary>
    public IEnumerable<(SelectedSite Site, long Features)> Distinct => _expected.Distinct(_model, Positions);

    /// <summary>As a plan tells it.</summary>
    public IReadOnlyList<PlannedSite> Planned() => [.. _model.SelectedSites.Select((site, i) => new PlannedSite(site.Site.Name,
        _expected.Sites[i].Active, _expected.Sites[i].Source, OfSite(_expected.Sites[i]), Cotangents[i].Sum(), Tangents[i].Sum()))];

    private long OfSite(ExpectedSite site) => (long)Math.Round(Positions * (site.Active + 1));
}
