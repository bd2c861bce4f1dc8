using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>
/// MLPs that transcoders stand for, in a pass whose rows have nodes moved: what they write once what they read has changed.
/// 1. What a transcoder reads is held against row 0, which is left as it is.
/// 2. Where it differs its features are encoded again, there and in row 0; at zeroed positions there are none.
/// 3. An MLP's output is the clean one, and in addition what the skip gives the difference, and what features that have changed write,
///    those of cross-layer transcoders to later outputs too. Errors are held.
/// </summary>
/// <remarks>The MLPs themselves never run: their outputs are frozen in the pass. Of one pass. Ameisen et al. 2025, "Circuit Tracing".
/// </remarks>
/// <param name="holdsFeatures">Features stay as they are in the clean run, and only skips are followed: what lies between two nodes.
/// </param>
internal sealed class ReplacedOutputs(PatchingState state, bool holdsFeatures)
{
    /// <summary>Bytes of decoder rows that are held at once.</summary>
    private const int DecoderBytes = 64 << 20;

    private readonly Dictionary<Site, SiteEffects> _mlps = state.Sites.Where(s => s.IsReplaced).ToDictionary(s => s.ReadSite);
    private readonly Dictionary<Site, Dictionary<(int Row, int Position), float[]>> _changes = [];

    /// <summary>The outputs of replaced MLPs, which the pass must hold.</summary>
    public IEnumerable<Site> Outputs => _mlps.Values.Select(s => s.Site);

    /// <summary>Where the pass must stop.</summary>
    public IEnumerable<Site> Stops => _mlps.Where(m => !holdsFeatures || m.Value.Dictionary!.SkipWeights is not null)
        .SelectMany(m => (Site[])[m.Key, m.Value.Site]).Concat(holdsFeatures ? [] : Outputs);

    /// <summary>Rows that one pass may have, at least 2.</summary>
    public static int RowsPerPass(PatchingState state, ActivationCache clean)
    {
        var widest = state.Sites.Where(s => s.IsReplaced).Max(s => (long)s.Width * (s.Written.Count + 1));
        var bytes = sizeof(float) * widest * state.Tokens.Length;
        return (int)Math.Clamp(state.Model.Context.MemoryBudget / 2 / bytes, 2, clean.RowsPerPass());
    }

    /// <summary>Reads at a stop what a transcoder reads there, and changes what MLPs write there. Nodes are moved before.</summary>
    public void Follow(SiteStop at)
    {
        if (_mlps.TryGetValue(at.Site, out var mlp)) Read(mlp, at);
        if (_changes.Remove(at.Site, out var changes))
        {
            at.Add(changes.Select(c => (c.Key.Row, c.Key.Position, (ReadOnlyMemory<float>)c.Value)));
        }
    }

    private void Read(SiteEffects mlp, SiteStop at)
    {
        var x = at.Current;
        var d = mlp.ReadWidth;
        if (x.Length == at.Positions * d) return;   // no change has reached it
        var places = new List<(int Row, int Position)>();
        for (var r = 1; r < at.Rows; r++)
        {
            for (var t = 0; t < at.Positions; t++)
            {
                if (!x.Slice(((r * at.Positions) + t) * d, d).SequenceEqual(x.Slice(t * d, d))) places.Add((r, t));
            }
        }
        if (places.Count == 0) return;
        if (mlp.Dictionary!.SkipWeights is not null)
        {
            AddSkip(mlp, places, Gather(x, places, at.Positions, d), Gather(x, Still(places), at.Positions, d));
        }
        if (holdsFeatures) return;
        places.RemoveAll(p => p.Position < mlp.ZeroPositions);
        List<(int Row, int Position)> positions = [.. Still(places).Distinct()];
        float[] read = [.. Gather(x, places, at.Positions, d), .. Gather(x, positions, at.Positions, d)];
        if (places.Count > 0) AddFeatures(mlp, places, positions, read);
    }

    private static IEnumerable<(int Row, int Position)> Still(List<(int Row, int Position)> places) => places.Select(p => (0, p.Position));

    private void AddSkip(SiteEffects mlp, List<(int Row, int Position)> places, float[] moved, float[] still)
    {
        TensorPrimitives.Subtract(moved, still, moved);
        var given = mlp.Dictionary!.Skip(moved, state.Model.Context.Threads);
        for (var i = 0; i < places.Count; i++)
        {
            var change = ChangeAt(mlp.Site, places[i], mlp.Width);
            TensorPrimitives.Add(change, given.AsSpan(i * mlp.Width, mlp.Width), change);
        }
    }

    private void AddFeatures(SiteEffects mlp, List<(int Row, int Position)> places, List<(int Row, int Position)> positions, float[] read)
    {
        var (dictionary, threads) = (mlp.Dictionary!, state.Model.Context.Threads);
        var active = state.Model.Encoder.Active(dictionary, read);
        dictionary.ReleaseEncoder();
        var still = positions.Select((p, i) => (p.Position, i)).ToDictionary(p => p.Position, p => places.Count + p.i);
        (int Feature, float Change)[][] changes = [.. places.Select((p, i) => Changes(active, i, still[p.Position]))];
        float[][][] to = [.. places.Select(p => mlp.Written.Select(w => ChangeAt(w.Site, p, mlp.Width)).ToArray())];
        var atOnce = Math.Max(1, DecoderBytes / (sizeof(float) * mlp.Width * mlp.Written.Count));
        foreach (var features in changes.SelectMany(c => c).Select(c => c.Feature).Distinct().Order().Chunk(atOnce))
        {
            var rows = dictionary.DecoderRows(features, threads);
            Parallel.For(0, places.Count, new ParallelOptions { MaxDegreeOfParallelism = threads }, i =>
            {
                foreach (var (feature, change) in changes[i])
                {
                    if (!rows.Has(feature)) continue;
                    var row = rows[feature];
                    for (var k = 0; k < to[i].Length; k++)
                    {
                        TensorPrimitives.MultiplyAdd(row.Slice(k * mlp.Width, mlp.Width), change, to[i][k], to[i][k]);
                    }
                }
            });
        }
    }

    // activations of one row less those of another, where they differ
    private static (int Feature, float Change)[] Changes(SparseRows active, int moved, int still) =>
        [.. active.Features(moved).ToArray().Union(active.Features(still).ToArray())
            .Select(f => (f, active.At(moved, f) - active.At(still, f)))
            .Where(c => c.Item2 != 0)];

    private float[] ChangeAt(Site output, (int, int) place, int width)
    {
        if (!_changes.TryGetValue(output, out var changes)) _changes[output] = changes = [];
        return changes.TryGetValue(place, out var change) ? change : changes[place] = new float[width];
    }

    // [places, d]
    private static float[] Gather(ReadOnlySpan<float> x, IEnumerable<(int Row, int Position)> places, int positions, int d)
    {
        var list = places.ToList();
        var values = new float[list.Count * d];
        for (var i = 0; i < list.Count; i++)
        {
            x.Slice(((list[i].Row * positions) + list[i].Position) * d, d).CopyTo(values.AsSpan(i * d));
        }
        return values;
    }
}
