using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;

namespace OnnxAttribution.Ablation;

/// <summary>
/// Reads at a downstream site what ablations have done to its features, a row each.
/// 1. Where a row's activation is, bit for bit, that of row 0, which was left as it is, nothing has reached it: no encoder runs.
///    Attention looks back only, so that is each position before the ablated one.
/// 2. All other places go through the encoder together, row 0's first.
/// 3. Per position, the active features of each row against those of row 0: what is active in either and differs is an edge.
/// </summary>
internal sealed class FeatureReader(LoadedModel model, int positions, AblationMeasure measure)
{
    /// <summary>Floating-point operations of the encoders so far.</summary>
    public long Operations { get; private set; }

    /// <summary>Compares rows 1, 2, … with row 0.</summary>
    /// <param name="dictionary">Of the site at which the pass has stopped.</param>
    /// <param name="ablated">What each of these rows ablates.</param>
    /// <param name="into">Edges are added.</param>
    public void Read(SiteStop at, SparseDictionary dictionary, ReadOnlySpan<NodeKey> ablated, StrongestEdges into)
    {
        var places = Reached(at.Current, at.Rows, at.Width);
        if (places.Count == 0) return;
        var gathered = GC.AllocateUninitializedArray<float>(checked(places.Count * at.Width));
        for (var i = 0; i < places.Count; i++)
        {
            var start = ((places[i].Row * positions) + places[i].Position) * at.Width;
            at.Current.Slice(start, at.Width).CopyTo(gathered.AsSpan(i * at.Width));
        }
        FiniteValues.RequireMoved(gathered, $"the activations of {at.Site}");
        Compare(places, model.Encoder.Active(dictionary, gathered), dictionary.FeatureCount, ablated, into);
        Operations += DictionaryEncoder.Operations(dictionary, places.Count);
    }

    // by position, row 0 first; positions that no row differs at are left out
    private List<(int Row, int Position)> Reached(ReadOnlySpan<float> x, int rows, int width)
    {
        var places = new List<(int, int)>();
        var size = positions * width;
        if (x.Length == size) return places;   // no change has come this far
        for (var q = measure == AblationMeasure.Last ? positions - 1 : 0; q < positions; q++)
        {
            var unchanged = x.Slice(q * width, width);
            var none = places.Count;
            places.Add((0, q));
            for (var r = 1; r < rows; r++)
            {
                if (!x.Slice((r * size) + (q * width), width).SequenceEqual(unchanged)) places.Add((r, q));
            }
            if (places.Count == none + 1) places.RemoveAt(none);
        }
        return places;
    }

    // active: a row per place
    private static void Compare(List<(int Row, int Position)> places, SparseRows active, int features,
        ReadOnlySpan<NodeKey> ablated, StrongestEdges into)
    {
        var reference = new float[features];   // row 0's activations at the position
        var seenAt = new int[features];        // the last place at which the feature is active, + 1
        var ofReference = new List<int>();
        for (var place = 0; place < places.Count; place++)
        {
            var (row, position) = places[place];
            var found = active.Features(place);
            var activations = active.Activations(place);
            if (row == 0)
            {
                foreach (var f in ofReference) reference[f] = 0;
                ofReference.Clear();
                for (var i = 0; i < found.Length; i++) reference[found[i]] = activations[i];
                ofReference.AddRange(found);
                continue;
            }
            var up = ablated[row - 1];
            for (var i = 0; i < found.Length; i++)
            {
                var (f, now) = (found[i], activations[i]);
                seenAt[f] = place + 1;
                if (now != reference[f]) into.Add(up, position, f, now - reference[f]);
            }
            foreach (var f in ofReference)
            {
                if (seenAt[f] != place + 1) into.Add(up, position, f, -reference[f]);
            }
        }
    }
}
