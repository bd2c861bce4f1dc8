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
    private long _operations;
    private readonly float[] _before;
    private readonly SwitchedFeatures? _switched;

    // by position: the error's gradient, and what a unit of each node's feature is worth by it
    private readonly (float[] Gradient, float[] Worth)[] _errors;

    /// <param name="nodes">The graph's, the site's among them.</param>
    /// <param name="read">The positions that changes are read at.</param>
    public ExactReader(LoadedModel model, SiteEffects site, IReadOnlyList<CausalNode> nodes, IReadOnlyList<bool> read)
    {
        (_model, _site, _nodes) = (model, site, nodes);
        _firstAt = new int[site.CleanEncoding.Positions + 1];
        foreach (var (position, _) in site.Nodes) _firstAt[position + 1]++;
        for (var t = 1; t < _firstAt.Length; t++) _firstAt[t] += _firstAt[t - 1];
        _before = new float[site.Nodes.Count];
        _errors = [.. Enumerable.Range(0, site.CleanEncoding.Positions).Select(ErrorAt)];
        if (site.Dictionary is not { } dictionary) return;
        _columns = site.NodeColumns(model.Context.Threads);
        _switched = new SwitchedFeatures(model, site, read);
        for (var t = 0; t < site.CleanEncoding.Positions; t++) FindBefore(dictionary, t);
    }

    /// <summary>Floating-point operations of all products with encoder columns so far.</summary>
    public long Operations => _operations + (_switched?.Operations ?? 0);

    /// <summary>Reads changes.</summary>
    public SiteReading Read(SiteMoves moves)
    {
        var count = moves.Ups.Count;
        var starts = new int[count + 1];
        for (var m = 0; m < count; m++) starts[m + 1] = starts[m] + _firstAt[moves.Positions[m] + 1] - _firstAt[moves.Positions[m]];
        var reading = new SiteReading(starts, [.. moves.Positions.Select(t => _firstAt[t])], new float[starts[^1]], new float[starts[^1]],
            new float[count]);
        var forErrors = _site.Dictionary is { } dictionary ? ReadFeatures(dictionary, moves, reading) : new float[count];
        EachMove(count, m => ReadError(moves, m, forErrors[m], reading));
        return reading;
    }

    private void EachMove(int count, Action<int> read) =>
        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = _model.Context.Threads }, read);

    private ReadOnlySpan<float> ChangeOf(float[] changes, int m) => changes.AsSpan(m * _site.Width, _site.Width);

    // what switched on, by move, by the errors' gradients
    private float[] ReadFeatures(SparseDictionary dictionary, SiteMoves moves, SiteReading reading)
    {
        var inputs = InputChanges(dictionary, moves);
        // what the nodes' pre-activations become stands where their changes will
        EachMove(moves.Ups.Count, m => ReadPreActivations(m, inputs, reading));
        _operations += 2L * _site.Width * reading.Changes.Length;
        var further = _switched!.Find(moves, inputs);
        EachMove(moves.Ups.Count, m =>
        {
            var bar = dictionary.K is { } k ? Last(m, k, reading, further) : (Value: 0f, Feature: int.MaxValue);
            ReadNodes(dictionary, (m, moves.Positions[m]), bar, reading);
            further.Drop(m, bar);
        });
        var forErrors = new float[moves.Ups.Count];
        further.AddGradients(moves, [(_site.GradientMemoryAt, reading.SwitchedOn), (t => _errors[t].Gradient, forErrors)]);
        return forErrors;
    }

    private void ReadPreActivations(int m, float[] inputs, SiteReading reading)
    {
        var (first, after) = (reading.FirstNodes[m], reading.Starts[m]);
        for (var k = 0; after + k < reading.Starts[m + 1] - 1; k++)
        {
            reading.Changes[after + k] =
                _before[first + k] + TensorPrimitives.Dot(ChangeOf(inputs, m), _columns![_site.Nodes[first + k].Feature]);
        }
    }

    private void ReadNodes(SparseDictionary dictionary, (int Move, int Position) at, (float Value, int Feature) bar, SiteReading reading)
    {
        var changes = reading.ChangesOf(at.Move)[..^1];
        var effects = reading.EffectsOf(at.Move);
        for (var k = 0; k < changes.Length; k++)
        {
            var node = reading.FirstNodes[at.Move] + k;
            var feature = _site.Nodes[node].Feature;
            var least = dictionary.Threshold?[feature] ?? 0;
            var on = changes[k] > least && (changes[k] > bar.Value || (changes[k] == bar.Value && feature <= bar.Feature));
            changes[k] = (on ? changes[k] : 0) - _site.CleanEncoding.ActivationOf(at.Position, feature);
            effects[k] = changes[k] == 0 ? 0 : _nodes[_site.FirstNode + node].Derivative * changes[k];
        }
    }

    private void ReadError(SiteMoves moves, int m, float switchedOn, SiteReading reading)
    {
        var (gradient, worth) = _errors[moves.Positions[m]];
        var changes = reading.ChangesOf(m);
        double rest = TensorPrimitives.Dot(gradient, ChangeOf(moves.Changes, m));
        for (var k = 0; k < worth.Length; k++) rest -= worth[k] * changes[k];
        reading.EffectsOf(m)[^1] = (float)(rest - switchedOn);
        changes[^1] = float.NaN;
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

    // of TopK the last of the k largest, the lower feature first where two are equal; none where fewer are above 0
    private (float Value, int Feature) Last(int m, int k, SiteReading reading, FurtherFeatures further)
    {
        var values = new List<(float Value, int Feature)>(further.At(m));
        var pre = reading.ChangesOf(m)[..^1];
        for (var i = 0; i < pre.Length; i++) values.Add((pre[i], _site.Nodes[reading.FirstNodes[m] + i].Feature));
        values.RemoveAll(v => v.Value <= 0);
        if (values.Count <= k) return (0, int.MaxValue);
        values.Sort((a, b) => a.Value != b.Value ? b.Value.CompareTo(a.Value) : a.Feature.CompareTo(b.Feature));
        return values[k - 1];
    }

    // changes of what the encoder reads, [moves, d]
    private float[] InputChanges(SparseDictionary dictionary, SiteMoves moves)
    {
        if (!dictionary.Normalization.Changes) return moves.Changes;
        var d = _site.Width;
        var changes = new float[moves.Changes.Length];
        EachMove(moves.Ups.Count, m =>
        {
            var clean = _site.CleanAt(moves.Positions[m]);
            var after = changes.AsSpan(m * d, d);
            TensorPrimitives.Add(clean, ChangeOf(moves.Changes, m), after);
            dictionary.Normalization.Apply(after, d).CopyTo(after);
            TensorPrimitives.Subtract(after, dictionary.Normalization.Apply(clean, d), after);
        });
        return changes;
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
            if (input is null) dictionary.CentredInput(_site.CleanAt(position), input = new float[_site.Width]);
            _before[k] = TensorPrimitives.Dot(input, _columns![feature]) + dictionary.EncoderBias.Span[feature];
        }
    }
}
