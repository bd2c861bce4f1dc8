using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Clusters;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Files;

namespace OnnxAttribution.View;

// 1. The strongest drawn features, at most 200. 2. Of each a vector: its decoder row, or the signed effects of its drawn edges, in and out.
// 3. Complete linkage by cosine, cut where the least alike two of a group would fall below a limit: every two of a group are as alike.

/// <summary>Looks for groups that a picture's features may be put in.</summary>
internal static class AlikeNodes
{
    private const int MostGroups = 12;

    /// <summary>By edges alone, which need no model.</summary>
    /// <param name="note">Why decoder rows are not compared.</param>
    public static SuggestedGroups ByEdges(RunPicture picture, string? note = null) => new([.. OfEdges(picture, Strongest(picture))], note);

    /// <summary>By decoder rows, and by edges.</summary>
    /// <param name="model">The bundle; null: where it was when the run was made, and where that is damaged or another, decoder rows are
    /// not compared.</param>
    /// <exception cref="OnnxAttributionException"><paramref name="model"/> is no bundle, or a part of it is damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static SuggestedGroups Of(RunPicture picture, string? model, CancellationToken cancel)
    {
        try
        {
            var nodes = Strongest(picture);
            if (nodes.Count < 2) return new([], null);
            var bundle = RunBundle.Of(picture, model);
            if (bundle.Directory is null) return ByEdges(picture, bundle.Fault);
            return new([.. OfRows(picture, nodes, ModelBundle.Open(bundle.Directory), cancel), .. OfEdges(picture, nodes)], null);
        }
        catch (OnnxAttributionException e) when (model is null)
        {
            return ByEdges(picture, e.Message);
        }
    }

    private static List<int> Strongest(RunPicture picture) => [.. Enumerable.Range(0, picture.Nodes.Count)
        .Where(i => picture.Nodes[i] is { IsMetric: false, IsError: false, IsToken: false })
        .OrderByDescending(i => Strength(picture, i))
        .Take(SuggestedGroups.Most)
        .Order()];

    private static double Strength(RunPicture picture, int node) =>
        float.IsFinite(picture.Nodes[node].Effect) ? Math.Abs((double)picture.Nodes[node].Effect) : 0;

    // each site's rows in columns of their own width: of two widths they have nothing to do with each other
    private static IEnumerable<SuggestedGroup> OfRows(RunPicture picture, List<int> nodes, ModelBundle bundle, CancellationToken cancel)
    {
        var (rows, found, first) = (new UnitVectors(), new List<int>(), new Dictionary<int, int>());
        foreach (var site in nodes.GroupBy(i => picture.Nodes[i].Site!))
        {
            cancel.ThrowIfCancellationRequested();
            var record = (picture.Header.IsReplaced ? bundle.TranscoderAt(site.Key) : null) ?? bundle.DictionaryAt(site.Key);
            if (record is null) continue;
            using var dictionary = new SparseDictionary(bundle.Open(record));
            var vectors = dictionary.DecoderRows([.. site.Select(i => picture.Nodes[i].Feature).Distinct().Order()], threads: 1);
            foreach (var i in site)
            {
                var row = vectors[picture.Nodes[i].Feature];
                if (TensorPrimitives.Norm(row) is not (> 0 and < float.PositiveInfinity)) continue;
                if (!first.TryGetValue(row.Length, out var column)) first[row.Length] = column = first.Sum(f => f.Key);
                rows.Add([.. Enumerable.Range(column, row.Length)], row.ToArray());
                found.Add(i);
            }
        }
        return Grouped(picture, rows, found, SuggestedGroups.Decoder, SuggestedGroups.LeastDecoder);
    }

    private static IEnumerable<SuggestedGroup> OfEdges(RunPicture picture, List<int> nodes)
    {
        var profiles = nodes.ToDictionary(i => i, _ => new List<(int Column, float Effect)>());
        foreach (var edge in picture.Edges)
        {
            if (!float.IsFinite(edge.Effect) || edge.Effect == 0) continue;
            if (profiles.TryGetValue(edge.Up, out var outs)) outs.Add((edge.Down, edge.Effect));
            if (profiles.TryGetValue(edge.Down, out var ins)) ins.Add((picture.Nodes.Count + edge.Up, edge.Effect));
        }
        var (rows, found) = (new UnitVectors(), new List<int>());
        foreach (var i in nodes.Where(i => profiles[i].Count > 0))
        {
            rows.Add([.. profiles[i].Select(e => e.Column)], Balanced(profiles[i], picture.Nodes.Count));
            found.Add(i);
        }
        return Grouped(picture, rows, found, SuggestedGroups.Edges, SuggestedGroups.LeastEdges);
    }

    // what comes in counts as much as what goes out, however large
    private static float[] Balanced(List<(int Column, float Effect)> profile, int nodes)
    {
        double Length(bool isIn) => Math.Sqrt(profile.Where(e => e.Column >= nodes == isIn).Sum(e => (double)e.Effect * e.Effect));
        var (lengthOut, lengthIn) = (Length(isIn: false), Length(isIn: true));
        return [.. profile.Select(e => (float)(e.Effect / (e.Column >= nodes ? lengthIn : lengthOut)))];
    }

    private static IEnumerable<SuggestedGroup> Grouped(RunPicture picture, UnitVectors rows, List<int> nodes, string by, double least)
    {
        if (rows.Count < 2) return [];
        var joins = Linkage.CompleteJoins(rows, threads: 1, CancellationToken.None);
        var labels = Linkage.Cut(joins, rows.Count - joins.Count(j => 1 - j.Distance >= least));
        var dense = new float[rows.Width];
        return labels.Index().GroupBy(l => l.Item, l => l.Index).Select(g => g.ToArray()).Where(g => g.Length > 1)
            .Select(g => new SuggestedGroup(by, [.. g.Select(i => nodes[i])],
                g.SelectMany(i => g.Where(j => j > i).Select(j => rows.Cosine(i, j, dense))).Min()))
            .OrderByDescending(g => g.Nodes.Sum(i => Strength(picture, i)))
            .Take(MostGroups)
            .ToList();
    }
}
