using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;

namespace OnnxAttribution.Circuits;

/// <summary>
/// What ablating nodes of a site adds to its current activation x, row by row and position by position:
/// <c>Σ_i (c · f_i(x) + a_i − f_i(x)) · row_i(x) + [error ablated] · (a_ε − ε(x))</c> over the ablated features i,
/// with row_i in x's own output scale and ε(x) = x − x̂(x).
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

    /// <param name="coefficient">c: 0 takes a feature's own activation away, 1 leaves it.</param>
    public CircuitEdit(LoadedModel model, Site site, Replacements values, float coefficient) =>
        (_model, Site, _dictionary, _values, _coefficient) = (model, site, model.DictionaryOf(site), values, coefficient);

    public Site Site { get; }

    private sealed record Place(int Row, int Position, int Encoded, int[] Listed, bool Stay, bool AblatesError)
    {
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
        var places = new List<Place>();
        for (var r = 0; r < rows.Count; r++)
        {
            for (var t = 0; t < positions; t++)
            {
                var (listed, stay, error) = rows[r].At(Site, t);
                if (!error && (_dictionary is null || (!stay && listed.Length == 0))) continue;
                var key = shared ? (0, t) : (r, t);
                if (!encoded.TryGetValue(key, out var index)) encoded[key] = index = encoded.Count;
                places.Add(new Place(r, t, index, listed, stay, error));
            }
        }
        if (places.Count == 0) return [];
        var gathered = new float[encoded.Count * width];
        foreach (var ((r, t), index) in encoded) x.Slice(((r * positions) + t) * width, width).CopyTo(gathered.AsSpan(index * width));
        return Changes(places, gathered, encoded.Count, width);
    }

    private List<(int, int, ReadOnlyMemory<float>)> Changes(List<Place> places, float[] gathered, int count, int width)
    {
        var encoding = _model.Encoder.Encode(_dictionary, gathered, count);
        foreach (var p in places) FindTerms(p, encoding);
        // rows of features that are active lie ready; those that are switched on are read
        var switchedOn = places.SelectMany(p => p.Terms).Select(t => t.Feature).Where(f => !encoding.Decoder.Has(f)).Distinct()
            .Order().ToArray();
        var more = switchedOn.Length > 0 ? _dictionary!.DecoderRows(switchedOn, _model.Context.Threads) : null;
        foreach (var p in places.Where(p => p.AddsSum).DistinctBy(p => p.Position))
        {
            _values.At(Site, p.Position).Sum(_dictionary!, _model.Context.Threads);
        }
        var changes = new float[]?[places.Count];
        Parallel.For(0, places.Count, new ParallelOptions { MaxDegreeOfParallelism = _model.Context.Threads },
            i => changes[i] = ChangeOf(places[i], encoding, more, width));
        var result = new List<(int, int, ReadOnlyMemory<float>)>(places.Count);
        for (var i = 0; i < changes.Length; i++)
        {
            if (changes[i] is { } change) result.Add((places[i].Row, places[i].Position, change));
        }
        return result;
    }

    private void FindTerms(Place place, SparseEncoding encoding)
    {
        if (_dictionary is null) return;
        var (active, activations) = (encoding.Features[place.Encoded], encoding.Activations[place.Encoded]);
        var ablated = _values.At(Site, place.Position);
        if (!place.Stay)
        {
            foreach (var f in place.Listed) Term(f, encoding.ActivationOf(place.Encoded, f), ablated.Of(f));
            return;
        }
        bool IsListed(int f) => Array.BinarySearch(place.Listed, f) >= 0;
        for (var i = 0; i < active.Length; i++)
        {
            if (!IsListed(active[i])) Term(active[i], activations[i], 0);
        }
        var stays = place.Listed.Count(f => ablated.Of(f) != 0);
        // the values of all features but the few listed, or of the few that are left;
        // with everything listed nothing is, and x stays exactly as it is
        place.AddsSum = ablated.Features.Count - stays > stays;
        foreach (var f in place.AddsSum ? place.Listed : ablated.Features)
        {
            if (place.AddsSum) Add(f, -ablated.Of(f));
            else if (!IsListed(f)) Add(f, ablated.Of(f));
        }

        void Term(int feature, float f, float a) => Add(feature, (_coefficient * f) + a - f);
        void Add(int feature, float by)
        {
            if (by != 0) place.Terms.Add((feature, by));
        }
    }

    private float[]? ChangeOf(Place place, SparseEncoding encoding, DecoderRows? more, int width)
    {
        if (place.Terms.Count == 0 && !place.AddsSum && !place.AblatesError) return null;
        var change = new float[width];
        foreach (var (feature, by) in place.Terms)
        {
            TensorPrimitives.MultiplyAdd(encoding.Decoder.Has(feature) ? encoding.Decoder[feature] : more![feature], by, change, change);
        }
        var ablated = _values.At(Site, place.Position);
        if (place.AddsSum) TensorPrimitives.Add(change, ablated.Sum(_dictionary!, 1), change);
        TensorPrimitives.Multiply(change, encoding.Scales[place.Encoded], change);
        if (place.AblatesError)
        {
            TensorPrimitives.Add(change, ablated.Error, change);
            TensorPrimitives.Subtract(change, encoding.Error(place.Encoded), change);
        }
        return change;
    }
}
