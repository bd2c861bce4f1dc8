using OnnxAttribution.Bundles;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Figures;

/// <summary>The strongest nodes of each site of a run.</summary>
/// <param name="Sites">That have a node with an effect, in the order of computation.</param>
/// <param name="Strongest">By falling |effect|; error nodes compete with features.</param>
/// <param name="Nodes">All nodes of the run, kept or not.</param>
/// <param name="Unknown">Nodes whose effect is NULL.</param>
internal sealed record EffectsTable(PictureHeader Header, IReadOnlyList<Site> Sites,
    IReadOnlyDictionary<Site, IReadOnlyList<PictureNode>> Strongest, int Nodes, int Unknown)
{
    /// <inheritdoc cref="FigureFile.Write" path="/exception"/>
    public static EffectsTable Read(string run, int perSite, CancellationToken cancel)
    {
        var stored = RunDirectory.Read(run, cancel);
        var known = stored.Nodes.Where(n => !float.IsNaN(n.Effect)).ToList();
        if (known.Count == 0) throw FigureException.NoRows(Path.Combine(run, RunNames.NodesFile), "nodes with an effect");
        var header = new PictureHeader(stored.Record);
        var strongest = new Dictionary<Site, IReadOnlyList<PictureNode>>();
        foreach (var group in known.GroupBy(n => n.Site))
        {
            var site = Site.Parse(group.Key);
            strongest[site] = [.. group.OrderByDescending(n => Math.Abs(n.Effect))
                .Take(perSite)
                .Select(n => new PictureNode(site, n.Position, n.Token, n.Feature, n.Activation, n.PatchActivation, n.Gradient, n.Effect)
                {
                    SignOfClean = header.SignOfClean
                })];
        }
        var order = stored.Record.Sites?.ToList() ?? [];
        // what run.json does not list comes last, as the file has it
        var sites = strongest.Keys.OrderBy(s => order.IndexOf(s.Name) is >= 0 and var at ? at : int.MaxValue).ToList();
        return new EffectsTable(header, sites, strongest, stored.Nodes.Count, stored.Nodes.Count - known.Count);
    }
}
