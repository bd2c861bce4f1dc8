using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>
/// Many nodes really moved side by side, whatever their sites, in one pass over the model.
/// 1. Row 0 is left as it is. A node's row joins at the node's site, as a copy of row 0 with the node's change added.
/// 2. Every site that a change has reached is computed for all rows at once (<see cref="SegmentedModel"/>).
/// 3. A row leaves at the residual site where its linear step is taken: g · (x' − x), over all positions.
///    Rows that stay to the end leave with the metric.
/// </summary>
/// <remarks>What rounding does to a run of the batch is the same in all rows, and goes with the difference to row 0.
/// Makes no choice of how many rows fit: see <see cref="MovedNodes"/>. Runs once; who makes one disposes it.</remarks>
internal sealed class NodeRelay(ActivationCache clean, Metric metric, Func<int, float[]?> gradientAt) : IDisposable
{
    private readonly LoadedModel _model = clean.Model;
    private readonly DeviceTensor?[] _changed = new DeviceTensor?[clean.Model.Bundle.Sites.Count];

    // the node of each row, row 0 apart
    private List<MovedNode> _rows = [];

    /// <summary>Floating-point operations of the matrix products that were run.</summary>
    public long Operations { get; private set; }

    /// <summary>Runs the nodes and gives what is found of each to <paramref name="found"/>: the linear step's effect at every residual
    /// site that its row reaches, at last that of the metric where the row goes so far.</summary>
    /// <param name="nodes">By <see cref="MovedNode.Start"/>.</param>
    public void Run(ReadOnlySpan<MovedNode> nodes, Action<MovedNode, float> found)
    {
        var next = 0;
        for (var site = nodes.Length == 0 ? _changed.Length : nodes[0].Start; site < _changed.Length; site++)
        {
            if (_rows.Count == 0)
            {
                if (next == nodes.Length) return;
                if (nodes[next].Start > site) continue;
            }
            Compute(site);
            Leave(site, found);
            var first = next;
            while (next < nodes.Length && nodes[next].Start == site) next++;
            if (next > first) Join(site, nodes[first..next]);
        }
        Finish(found);
    }

    public void Dispose()
    {
        foreach (var x in _changed) x?.Dispose();
    }

    private void Compute(int site)
    {
        var reads = _model.Steps.Reads(site);
        if (reads.Any(i => _changed[i] is not null)) _changed[site] = RunStep(site, 0);
        foreach (var i in reads.Where(i => _model.Steps.LastRead[i] <= site)) Drop(i);
    }

    private DeviceTensor RunStep(int step, int position)
    {
        var values = new DeviceTensor?[_changed.Length];
        foreach (var i in _model.Steps.Reads(step)) values[i] = _changed[i] ?? clean.Value(i);
        var result = _model.Steps.Run(step, values, clean.TokenArray, position);
        Operations += _model.Steps.Operations(step, clean.Tokens.Count) * result.Shape[0];
        return result;
    }

    private void Join(int site, ReadOnlySpan<MovedNode> nodes)
    {
        var width = (int)clean.Value(site).Shape[^1];
        var (old, rows) = (_rows.Count + 1, _rows.Count + 1 + nodes.Length);
        for (var i = 0; i < _changed.Length; i++)
        {
            if (_changed[i] is { } before) Replace(i, Grown(before.Floats(), old, rows));
        }
        var (size, change) = (clean.Tokens.Count * width, new float[width]);
        var now = _changed[site] is { } reached ? reached.Floats().ToArray() : Grown(clean.Value(site).Floats(), 1, rows);
        for (var n = 0; n < nodes.Length; n++)
        {
            var (position, feature) = nodes[n].Node;
            nodes[n].Site.NodeChange(position, feature, change);
            var at = now.AsSpan(((old + n) * size) + (position * width), width);
            TensorPrimitives.Add(at, change, at);
            _rows.Add(nodes[n]);
        }
        Replace(site, now);
    }

    // at the residual stream every row has one more level; rows that end here leave, and the others move up
    private void Leave(int site, Action<MovedNode, float> found)
    {
        if (_rows.Count == 0 || _model.Bundle.Sites[site].Kind != SiteKind.Resid || gradientAt(site) is not { } gradient) return;
        if (_changed[site] is { } x)
        {
            var all = x.Floats();
            var change = new float[gradient.Length];
            for (var r = 0; r < _rows.Count; r++)
            {
                TensorPrimitives.Subtract(all.Slice((r + 1) * change.Length, change.Length), all[..change.Length], change);
                found(_rows[r], TensorPrimitives.Dot<float>(change, gradient));
            }
        }
        else
        {
            foreach (var row in _rows) found(row, 0);   // nothing on the way reads the nodes' sites
        }
        if (_rows.Exists(r => r.End == site)) Keep([.. Enumerable.Range(0, _rows.Count).Where(r => _rows[r].End != site)]);
    }

    private void Keep(int[] stay)
    {
        _rows = [.. stay.Select(r => _rows[r])];
        for (var i = 0; i < _changed.Length; i++)
        {
            if (_changed[i] is not { } before) continue;
            if (stay.Length == 0)
            {
                Drop(i);
                continue;
            }
            var size = before.Floats().Length / (int)before.Shape[0];
            var kept = new float[(stay.Length + 1) * size];
            before.Floats()[..size].CopyTo(kept);
            for (var r = 0; r < stay.Length; r++) before.Floats().Slice((stay[r] + 1) * size, size).CopyTo(kept.AsSpan((r + 1) * size));
            Replace(i, kept);
        }
    }

    private void Finish(Action<MovedNode, float> found)
    {
        if (_rows.Count == 0) return;
        var rows = _rows.Count + 1;
        if (!_model.Steps.Reads(_model.Steps.Head).Any(i => _changed[i] is not null))
        {
            foreach (var row in _rows) found(row, 0);
            return;
        }
        using var logits = RunStep(_model.Steps.Head, metric.Position);
        var values = FiniteValues.Require(logits.Floats(), "the logits").ToArray();
        var metrics = metric.Evaluate(values, rows, clean.Logits(metric.Position), _model.Context.Threads);
        for (var r = 1; r < rows; r++) found(_rows[r - 1], (float)(metrics[r] - metrics[0]));
    }

    // rows of copies of row 0 behind what there is
    private static float[] Grown(ReadOnlySpan<float> values, int old, int rows)
    {
        var size = values.Length / old;
        var all = new float[rows * size];
        values.CopyTo(all);
        for (var r = old; r < rows; r++) values[..size].CopyTo(all.AsSpan(r * size));
        return all;
    }

    private void Replace(int site, float[] values)
    {
        var (tokens, rows) = (clean.Tokens.Count, values.Length / (int)(clean.Tokens.Count * clean.Value(site).Shape[^1]));
        Drop(site);
        _changed[site] = DeviceTensor.FromHost(values, rows, tokens, clean.Value(site).Shape[^1]);
    }

    private void Drop(int site)
    {
        _changed[site]?.Dispose();
        _changed[site] = null;
    }
}
