using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Model;

/// <summary>A site at which a pass has stopped. What is asked of features is done when the loop goes on,
/// in one encoding of the activation as it is then.</summary>
public sealed class SiteStop
{
    private readonly InterventionPass _pass;
    private readonly LoadedModel _model;
    private readonly int _index;
    private readonly int _positions;
    private readonly List<FeatureEdit> _edits = [];

    internal SiteStop(InterventionPass pass, Site site, int index)
    {
        (_pass, _model, Site, _index) = (pass, pass.Clean.Model, site, index);
        _positions = pass.Clean.Tokens.Count;
        Width = (int)pass.ValueAt(index).Shape[^1];
    }

    /// <summary>Where the pass has stopped.</summary>
    public Site Site { get; }

    /// <summary>How many rows the pass has: the first axis of <see cref="Value"/>.</summary>
    public int Rows => _pass.Rows;

    /// <summary>T, how many tokens the prompt has: the second axis.</summary>
    public int Positions => _positions;

    /// <summary>d, the width of the site: the last axis; d_model, or for <c>hook_z</c> heads · d_head.</summary>
    public int Width { get; }

    /// <summary>float32 [rows, T, d]; set to change the site. [T, d] is taken for every row. A copy either way.</summary>
    /// <exception cref="AttributionException">The new value has another size.</exception>
    /// <exception cref="InvalidOperationException">The pass has gone on to another site.</exception>
    public float[] Value
    {
        get
        {
            Apply();
            var size = _positions * Width;
            var now = _pass.ValueAt(_index).Floats();
            var all = GC.AllocateUninitializedArray<float>(Rows * size);
            for (var r = 0; r < Rows; r++) now.Slice(now.Length == size ? 0 : r * size, size).CopyTo(all.AsSpan(r * size));
            return all;
        }
        set
        {
            _pass.RequireAt(this);
            var size = _positions * Width;
            if (value.Length != size && value.Length != Rows * size)
            {
                throw new AttributionException(
                    $"{Site} takes [{_positions}, {Width}] or [{Rows}, {_positions}, {Width}] numbers, not {value.Length}");
            }
            _edits.Clear();
            _pass.Replace(_index, DeviceTensor.FromHost([.. value], value.Length == size ? 1 : Rows, _positions, Width));
        }
    }

    /// <summary>Puts the clean run's value back, for all rows.</summary>
    /// <exception cref="InvalidOperationException">The pass has gone on to another site.</exception>
    public void Restore()
    {
        _pass.RequireAt(this);
        _edits.Clear();
        _pass.Restore(_index);
    }

    /// <summary>Multiplies a feature's current activation. Only the difference of the two reconstructions is added:
    /// what the dictionary misses stays.</summary>
    /// <param name="feature">Row of W_dec, from 0.</param>
    /// <param name="coefficient">A factor, no unit: 0 ablates, 1 changes nothing.</param>
    /// <param name="position">Token position from 0, BOS counted; null: every position.</param>
    /// <param name="row">Row of the pass, from 0; null: every row.</param>
    /// <exception cref="AttributionException">The site has no dictionary, or there is no such feature, position or row,
    /// or the number is not finite.</exception>
    /// <exception cref="InvalidOperationException">The pass has gone on to another site.</exception>
    public void Scale(int feature, float coefficient, int? position = null, int? row = null) =>
        Edit(feature, coefficient, 0, position, row);

    /// <summary>Sets a feature's activation.</summary>
    /// <param name="activation">In activation units of the dictionary.</param>
    /// <inheritdoc cref="Scale" path="/param"/>
    /// <inheritdoc cref="Scale" path="/exception"/>
    public void Set(int feature, float activation, int? position = null, int? row = null) => Edit(feature, 0, activation, position, row);

    /// <summary>Sets a feature's activation to 0.</summary>
    /// <inheritdoc cref="Scale" path="/param"/>
    /// <inheritdoc cref="Scale" path="/exception"/>
    public void Zero(int feature, int? position = null, int? row = null) => Edit(feature, 0, 0, position, row);

    /// <summary>The activation as it is now, [rows or 1, T, d], where it lies.</summary>
    internal ReadOnlySpan<float> Current => _pass.ValueAt(_index).Floats();

    /// <summary>Adds to the activation at chosen rows and positions; the others stay as they are.</summary>
    internal void Add(IEnumerable<(int Row, int Position, ReadOnlyMemory<float> Change)> changes)
    {
        var all = Value;
        foreach (var (row, position, change) in changes)
        {
            var at = all.AsSpan(((row * _positions) + position) * Width, Width);
            TensorPrimitives.Add(at, change.Span, at);
        }
        _pass.Replace(_index, DeviceTensor.FromHost(all, Rows, _positions, Width));
    }

    /// <summary>Does what was asked of features since the last time.</summary>
    internal void Apply()
    {
        if (_edits.Count == 0) return;
        var edits = _edits.ToArray();
        _edits.Clear();
        Add(FeatureEdits.Changes(_model, _model.DictionaryOf(Site)!, Current, (Rows, _positions), edits));
    }

    private void Edit(int feature, float scale, float offset, int? position, int? row)
    {
        _pass.RequireAt(this);
        var dictionary = _model.DictionaryOf(Site)
            ?? throw new AttributionException($"{Site} has no dictionary, so it has no feature {feature}; choose a site that has one");
        if (feature < 0 || feature >= dictionary.FeatureCount)
        {
            throw new AttributionException($"{Site} has no feature {feature}; its features are 0 to {dictionary.FeatureCount - 1}");
        }
        if (position is { } p) _model.RequirePosition(p, _positions);
        if (row is { } r && (r < 0 || r >= Rows)) throw new AttributionException($"the pass has no row {r}; its rows are 0 to {Rows - 1}");
        if (!float.IsFinite(scale) || !float.IsFinite(offset))
        {
            throw new AttributionException(
                $"feature {feature} of {Site} cannot be made {(float.IsFinite(scale) ? offset : scale)}; give a finite number");
        }
        _edits.Add(new FeatureEdit(feature, scale, offset, position, row));
    }
}
