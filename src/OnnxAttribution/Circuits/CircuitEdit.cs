using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;

namespace OnnxAttribution.Circuits;

/// <summary>
/// What ablating nodes of a site adds to its current activation x, row by row and position by position:
/// <c>Σ_i (c · f_i(x) + a_i − f_i(x)) · row_i(x) + [error ablated] · (c · ε(x) + a_ε − ε(x))</c> over the ablated features i,
/// with row_i in x's own output scale and ε(x) = x − x̂(x). A feature that a circuit sets to v has v in the place of c · f_i(x) + a_i.
/// 1. The places where something is ablated are encoded, all rows at once; those that are the same in all rows, once.
/// 2. Per place the ablated features: those listed, or those active or with a value a_i and not listed.
/// 3. Where nothing changes nothing is added, so that what is kept whole stays exactly as it was.
/// </summary>
/// <remarks>Marks et al. 2024 (arXiv:2403.19647), section 4.</remarks>
internal sealed class CircuitEdit
{
    private readonly SparseDictionary? _dictionary;
    private readonly LoadedModel _model;
    private readonly Replacements _values;
    private readonly float _coefficient;

    /// <param name="coefficient">c: 0 takes a feature's own activation, or an error, away, 1 leaves it.</param>
    public CircuitEdit(LoadedModel model, Site site, Replacements values, float coefficient) =>
        (_model, Site, _dictionary, _values, _coefficient) = (model, site, model.DictionaryOf(site), values, coefficient);

    public Site Site { get; }

    /// <summary>What is ablated in one row at one position.</summary>
    /// <param name="Encoded">Index of its activation among the encoded ones.</param>
    /// <param name="At">Features that stay, or that are ablated.</param>
    private sealed record RowEdit(int Row, int Position, int Encoded, ListedAt At, bool Stay, bool AblatesError)
    {
        public int[] Listed => At.Features;

        /// <summary>Features and what is added to each.</summary>
        public List<(int Feature, float By)> Terms { get; } = [];

        /// <summary>Whether Σ a_i W_dec[i] over all features is added as well.</summary>
        public bool AddsSum { get; set; }
    }

    /// <param name="x">[rows or 1, T, d].</param>
    /// <returns>Row, position and change [d], for the places at which something changes.</returns>
    public List<(int Row, int Position, ReadOnlyMemory<float> Change)> Changes(ReadOnlySpan<float> x, int positions, int width,
        IReadOnlyList<AblationRow> rows)
    {
        var shared = x.Length == positions * width;
        var encoded = new Dictionary<(int Row, int Position), int>();
        var edits = new List<RowEdit>();
        for (var r = 0; r < rows.Count; r++)
        {
            for (var t = 0; t < positions; t++)
            {
                var (listed, stay, error) = rows[r].At(Site, t);
                if (!error && (_dictionary is null || (!stay && listed.Features.Length == 0))) continue;
                var key = shared ? (0, t) : (r, t);
                if (!encoded.TryGetValue(key, out var index)) encoded[key] = index = encoded.Count;
                edits.Add(new RowEdit(r, t, index, listed, stay, error));
            }
        }
        if (edits.Count == 0) return [];
        var gathered = new float[encoded.Count * width];
        foreach (var ((r, t), index) in encoded) x.Slice(((r * positions) + t) * width, width).CopyTo(gathered.AsSpan(index * width));
        return Changes(edits, gathered, encoded.Count, width);
    }

    private List<(int, int, ReadOnlyMemory<float>)> Changes(List<RowEdit> edits, float[] gathered, int count, int width)
    {
        var encoding = _model.Encoder.Encode(_dictionary, gathered, count);
        foreach (var p in edits) FindTerms(p, encoding);
        // rows of features that are active lie ready; those that are switched on are read
        var switchedOn = edits.SelectMany(p => p.Terms).Select(t => t.Feature).Where(f => !encoding.Decoder.Has(f)).Distinct()
            .Order().ToArray();
        var more = switchedOn.Length > 0 ? _dictionary!.DecoderRows(switchedOn, _model.Context.Threads) : null;
        foreach (var p in edits.Where(p => p.AddsSum).DistinctBy(p => p.Position))
        {
            _values.At(Site, p.Position).Sum(_dictionary!, _model.Context.Threads);
        }
        var changes = new float[]?[edits.Count];
        Parallel.For(0, edits.Count, new ParallelOptions { MaxDegreeOfParallelism = _model.Context.Threads },
            i => changes[i] = ChangeOf(edits[i], encoding, more, width));
        var result = new List<(int, int, ReadOnlyMemory<float>)>(edits.Count);
        for (var i = 0; i < changes.Length; i++)
        {
            if (changes[i] is { } change) result.Add((edits[i].Row, edits[i].Position, change));
        }
        return result;
    }

    private void FindTerms(RowEdit edit, SparseEncoding encoding)
    {
        if (_dictionary is null) return;
        var (active, activations) = (encoding.Features[edit.Encoded], encoding.Activations[edit.Encoded]);
        var ablated = _values.At(Site, edit.Position);
        if (!edit.Stay)
        {
            foreach (var (i, f) in edit.Listed.Index())
            {
                var own = encoding.ActivationOf(edit.Encoded, f);
                if (edit.At.Values?[i] is { } value) Add(f, value - own);
                else Term(f, own, ablated.Activation(f));
            }
            return;
        }
        bool IsListed(int f) => Array.BinarySearch(edit.Listed, f) >= 0;
        for (var i = 0; i < active.Length; i++)
        {
            if (!IsListed(active[i])) Term(active[i], activations[i], 0);
        }
        var stays = edit.Listed.Count(f => ablated.Activation(f) != 0);
        // the values of all features but the few listed, or of the few that are left;
        // with everything listed nothing is, and x stays exactly as it is
        edit.AddsSum = ablated.Features.Count - stays > stays;
        foreach (var f in edit.AddsSum ? edit.Listed : ablated.Features)
        {
            if (edit.AddsSum) Add(f, -ablated.Activation(f));
            else if (!IsListed(f)) Add(f, ablated.Activation(f));
        }

        void Term(int feature, float f, float a) => Add(feature, (_coefficient * f) + a - f);
        void Add(int feature, float by)
        {
            if (by != 0) edit.Terms.Add((feature, by));
        }
    }

    private float[]? ChangeOf(RowEdit edit, SparseEncoding encoding, FeatureVectors? more, int width)
    {
        if (edit.Terms.Count == 0 && !edit.AddsSum && !edit.AblatesError) return null;
        var change = new float[width];
        foreach (var (feature, by) in edit.Terms)
        {
            TensorPrimitives.MultiplyAdd(encoding.Decoder.Has(feature) ? encoding.Decoder[feature] : more![feature], by, change, change);
        }
        var ablated = _values.At(Site, edit.Position);
        if (edit.AddsSum) TensorPrimitives.Add(change, ablated.Sum(_dictionary!, 1), change);
        TensorPrimitives.Multiply(change, encoding.Scales[edit.Encoded], change);
        if (edit.AblatesError)
        {
            TensorPrimitives.Add(change, ablated.Error, change);
            TensorPrimitives.MultiplyAdd(encoding.Error(edit.Encoded), _coefficient - 1, change, change);
        }
        return change;
    }
}
