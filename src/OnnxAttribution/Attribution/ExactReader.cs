using System.Numerics.Tensors;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>
/// What real changes of a site do to its nodes.
/// 1. A feature that is a node: its pre-activation moves by Δ(normalised x) · W_enc[:, j]; Δf is that of φ, effect g_j Δf.
/// 2. Features that are active after the change and in neither run are no nodes: they switched on, with effect Σ g_j f_j.
/// 3. The error: effect g · Δε = g · Δx less all of these, since Δε = Δx − Σ Δf_j row_j over all features.
/// </summary>
/// <remarks>So the effects on all nodes of the site and what switched on add up to g · Δx, whatever the dictionary. A node that was
/// really moved counts by a derivative of its own (<see cref="CausalNode.Derivative"/>, <see cref="SiteEffects.GradientFor"/>).
/// </remarks>
internal sealed class ExactReader
{
    private readonly LoadedModel _model;
    private readonly SiteEffects _site;
    private readonly IReadOnlyList<CausalNode> _nodes;
    private readonly int[] _firstAt;
    private readonly FeatureVectors? _columns;
    private readonly float[] _before;

    // by position: the error's gradient, and what a unit of each node's feature is worth by it
    private readonly (float[] Gradient, float[] Worth)[] _errors;

    // by move: what switched on, by the error's gradient
    private float[] _switchedOnForErrors = [];

    /// <param name="nodes">The graph's, the site's among them.</param>
    public ExactReader(LoadedModel model, SiteEffects site, IReadOnlyList<CausalNode> nodes)
    {
        (_model, _site, _nodes) = (model, site, nodes);
        _firstAt = new int[site.CleanEncoding.Positions + 1];
        foreach (var (position, _) in site.Nodes) _firstAt[position + 1]++;
        for (var t = 1; t < _firstAt.Length; t++) _firstAt[t] += _firstAt[t - 1];
        _before = new float[site.Nodes.Count];
        _errors = [.. Enumerable.Range(0, site.CleanEncoding.Positions).Select(ErrorAt)];
        if (site.Dictionary is not { } dictionary) return;
        _columns = site.NodeColumns(model.Context.Threads);
        for (var t = 0; t < site.CleanEncoding.Positions; t++) FindBefore(dictionary, t);
    }

    /// <summary>Reads changes.</summary>
    public SiteReading Read(SiteMoves moves)
    {
        var starts = new int[moves.Ups.Count + 1];
        for (var m = 0; m < moves.Ups.Count; m++)
        {
            starts[m + 1] = starts[m] + _firstAt[moves.Positions[m] + 1] - _firstAt[moves.Positions[m]];
        }
        var reading = new SiteReading(starts, [.. moves.Positions.Select(t => _firstAt[t])], new float[starts[^1]], new float[starts[^1]],
            new float[moves.Ups.Count]);
        _switchedOnForErrors = new float[moves.Ups.Count];
        var active = _site.Dictionary is { } dictionary ? Active(dictionary, moves, reading) : null;
        Parallel.For(0, moves.Ups.Count, new ParallelOptions { MaxDegreeOfParallelism = _model.Context.Threads },
            m => ReadOne(moves, m, active, reading));
        return reading;
    }

    private ReadOnlySpan<float> ChangeOf(SiteMoves moves, int m) => moves.Changes.AsSpan(m * _site.Width, _site.Width);

    private void ReadOne(SiteMoves moves, int m, SparseRows? active, SiteReading reading)
    {
        var (position, first) = (moves.Positions[m], reading.FirstNodes[m]);
        var change = ChangeOf(moves, m);
        var changes = reading.ChangesOf(m);
        var effects = reading.EffectsOf(m);
        var (gradient, worth) = _errors[position];
        double rest = TensorPrimitives.Dot(gradient, change);
        var error = changes.Length - 1;
        if (_site.Dictionary is { } dictionary)
        {
            var input = InputChange(dictionary, position, change);
            for (var k = 0; k < error; k++)
            {
                var feature = _site.Nodes[first + k].Feature;
                var after = _before[first + k] + TensorPrimitives.Dot(input, _columns![feature]);
                var on = dictionary.K is null ? after > (dictionary.Threshold?[feature] ?? 0) : active!.At(m, feature) > 0;
                changes[k] = (on ? after : 0) - _site.CleanEncoding.ActivationOf(position, feature);
                effects[k] = changes[k] == 0 ? 0 : _nodes[_site.FirstNode + first + k].Derivative * changes[k];
                rest -= worth[k] * changes[k];
            }
        }
        changes[error] = float.NaN;
        effects[error] = (float)(rest - _switchedOnForErrors[m]);
    }

    private SparseRows Active(SparseDictionary dictionary, SiteMoves moves, SiteReading reading)
    {
        var active = _model.Encoder.Active(dictionary, Moved(moves));
        FindSwitchedOn(dictionary, moves, active, reading.SwitchedOn);
        return active;
    }

    // Σ g_j f_j over the active features that are no nodes, by move
    private void FindSwitchedOn(SparseDictionary dictionary, SiteMoves moves, SparseRows active, float[] sums)
    {
        var found = new List<(int Move, int Feature, float Activation)>();
        for (var m = 0; m < active.Rows; m++)
        {
            var features = active.Features(m);
            var activations = active.Activations(m);
            for (var i = 0; i < features.Length; i++)
            {
                if (!IsNode(moves.Positions[m], features[i])) found.Add((m, features[i], activations[i]));
            }
        }
        var rows = dictionary.DecoderRows([.. found.Select(f => f.Feature).Distinct().Order()], _model.Context.Threads);
        foreach (var (m, feature, activation) in found)
        {
            var position = moves.Positions[m];
            var by = _site.CleanEncoding.Scales[position] * activation;
            sums[m] += TensorPrimitives.Dot(_site.GradientAt(position), rows[feature]) * by;
            _switchedOnForErrors[m] += TensorPrimitives.Dot(_errors[position].Gradient, rows[feature]) * by;
        }
    }

    private (float[] Gradient, float[] Worth) ErrorAt(int position)
    {
        var error = _nodes[_site.FirstNode + _firstAt[position + 1] - 1];
        var gradient = _site.GradientFor(error).ToArray();
        var worth = new float[_firstAt[position + 1] - 1 - _firstAt[position]];
        for (var k = 0; k < worth.Length; k++)
        {
            var node = _nodes[_site.FirstNode + _firstAt[position] + k];
            worth[k] = NodeMethods.IsMeasured(error.Method)
                ? TensorPrimitives.Dot(gradient, _site.DecoderRow(node.Feature)) * _site.CleanEncoding.Scales[position]
                : node.Gradient;
        }
        return (gradient, worth);
    }

    private bool IsNode(int position, int feature) =>
        _site.Nodes.BinarySearch(_firstAt[position], _firstAt[position + 1] - 1 - _firstAt[position], (position, feature), null) >= 0;

    private float[] Moved(SiteMoves moves)
    {
        var d = _site.Width;
        var moved = new float[moves.Changes.Length];
        for (var m = 0; m < moves.Ups.Count; m++)
        {
            TensorPrimitives.Add(_site.CleanAt(moves.Positions[m]), ChangeOf(moves, m), moved.AsSpan(m * d, d));
        }
        return moved;
    }

    // the change of what the encoder reads
    private ReadOnlySpan<float> InputChange(SparseDictionary dictionary, int position, ReadOnlySpan<float> change)
    {
        if (!dictionary.Normalization.Changes) return change;
        var moved = new float[_site.Width];
        TensorPrimitives.Add(_site.CleanAt(position), change, moved);
        var after = dictionary.Normalization.Apply(moved, _site.Width);
        TensorPrimitives.Subtract(after, dictionary.Normalization.Apply(_site.CleanAt(position), _site.Width), after);
        return after;
    }

    // pre-activations of the nodes in the clean run: where a node is active there, its activation
    private void FindBefore(SparseDictionary dictionary, int position)
    {
        float[]? input = null;
        for (var k = _firstAt[position]; k < _firstAt[position + 1] - 1; k++)
        {
            var feature = _site.Nodes[k].Feature;
            _before[k] = _site.CleanEncoding.ActivationOf(position, feature);
            if (_before[k] > 0) continue;
            input ??= Input(dictionary, position);
            _before[k] = TensorPrimitives.Dot(input, _columns![feature]) + dictionary.EncoderBias.Span[feature];
        }
    }

    private float[] Input(SparseDictionary dictionary, int position)
    {
        var x = dictionary.Normalization.Changes
            ? dictionary.Normalization.Apply(_site.CleanAt(position), _site.Width)
            : _site.CleanAt(position).ToArray();
        if (dictionary.SubtractsDecoderBias) TensorPrimitives.Subtract(x, dictionary.DecoderBias.Span, x);
        return x;
    }
}
