using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>
/// Many nodes really moved side by side, whatever their sites, in one pass over the model.
/// 1. Row 0 is left as it is. A node's row joins at the node's site: there it differs from row 0 at the node's position only.
/// 2. A site that a change has reached is computed at the positions that can differ (<see cref="PackedRows"/>): where no position is read
///    by another, at those that differed before; behind attention from the node's position on; and at the metric's position only
///    where no other is read again. All rows' positions run as rows of the same products.
/// 3. A row leaves at the residual site where its linear step is taken: g · (x' − x), over all positions.
///    Rows that stay to the end leave with the metric.
/// </summary>
/// <remarks>What rounding does to a run of the batch is the same in all rows, and goes with the difference to row 0.
/// Makes no choice of how many rows fit: see <see cref="MovedNodes"/>. Runs once; who makes one disposes it.</remarks>
internal sealed class NodeRelay(ActivationCache clean, Metric metric, Func<int, float[]?> gradientAt) : IDisposable
{
    private readonly LoadedModel _model = clean.Model;
    private readonly MovedSteps _steps = MovedSteps.Of(clean.Model);
    private readonly int _positions = clean.Tokens.Count;
    private readonly DeviceTensor?[] _changed = new DeviceTensor?[clean.Model.Bundle.Sites.Count];
    private readonly RelayRows _held = new(MovedSteps.Of(clean.Model), clean.Model.Bundle.Sites.Count, clean.Tokens.Count, metric.Position);

    // rows that have joined and not left
    private readonly List<(int Row, MovedNode Node)> _rows = [];

    /// <summary>Floating-point operations of the matrix products that were run.</summary>
    public long Operations { get; private set; }

    /// <summary>Runs the nodes and gives what is found of each to <paramref name="found"/>: the linear step's effect at every residual
    /// site that its row reaches, at last that of the metric where the row goes so far.</summary>
    /// <param name="nodes">By <see cref="MovedNode.Start"/>.</param>
    /// <returns>false: a position turned out to read later ones (<see cref="MovedSteps.LooksAhead"/>), so what was found is wrong,
    /// and the nodes have to be run again.</returns>
    public bool Run(ReadOnlySpan<MovedNode> nodes, Action<MovedNode, float> found)
    {
        var next = 0;
        for (var site = nodes.Length == 0 ? _changed.Length : nodes[0].Start; site < _changed.Length; site++)
        {
            if (_rows.Count == 0)
            {
                if (next == nodes.Length) return true;
                if (nodes[next].Start > site) continue;
            }
            if (!Compute(site)) return false;
            Leave(site, found);
            var first = next;
            while (next < nodes.Length && nodes[next].Start == site) next++;
            if (next > first) Join(site, nodes[first..next], first + 1);
        }
        Finish(found);
        return true;
    }

    public void Dispose()
    {
        for (var i = 0; i < _changed.Length; i++) Drop(i);
    }

    private bool Compute(int site)
    {
        if (_steps.To(site) is not { } step) return true;
        if (_held.AreMoved(step))
        {
            var (rows, made) = _held.To(site, step, _rows.Select(r => r.Row));
            var results = RunStep(step, rows, step.Mixes ? made : null);
            Hold(site, results[0], made);
            if (results.Length > 1)
            {
                using var leaks = results[1];
                if (!_held.LooksAhead && leaks.Floats()[0] > 0)
                {
                    _steps.LooksAhead = true;
                    return false;
                }
            }
        }
        foreach (var i in step.Reads.Where(i => _steps.LastRead[i] <= site)) Drop(i);
        return true;
    }

    private DeviceTensor[] RunStep(MovedSteps.Step step, PackedRows rows, PackedRows? pairs)
    {
        var moves = new MoveFeed(rows, [.. pairs?.Entries() ?? []]);
        using var feed = moves.Of(clean.TokenArray).Add(MovedSteps.LogitsPosition, new long[] { metric.Position }, 1);
        var tokens = metric.Tokens ?? [];
        if (tokens.Count > 0) feed.Add(MovedSteps.LogitsTokens, [.. tokens.Select(t => (long)t)], tokens.Count);
        foreach (var i in step.Reads)
        {
            var (name, still) = (_model.AllSites[i].Name, clean.Value(i));
            feed.Lend(name, still.Value);
            moves.Lend(feed, name, _changed[i] ?? still, _held.Of(i));
        }
        var sizes = moves.Sizes(_positions);
        sizes["chosen"] = tokens.Count;
        Operations += FlopCount.Of(step.Segment.Graph, sizes);
        return _steps.Run(step, feed);
    }

    private void Join(int site, ReadOnlySpan<MovedNode> nodes, int row)
    {
        var width = (int)clean.Value(site).Shape[^1];
        var old = (_changed[site] ?? clean.Value(site)).Floats();
        var held = _held.Of(site);
        var rows = held.Copy();
        var (values, change) = (new float[old.Length + (nodes.Length * width)], new float[width]);
        old.CopyTo(values);
        for (var n = 0; n < nodes.Length; n++, row++)
        {
            _rows.Add((row, nodes[n]));
            var (position, feature) = nodes[n].Node;
            // what is read at another position only changes nothing
            if (!rows.Still.Holds(position)) continue;
            nodes[n].Site.NodeChange(position, feature, change);
            rows.Add(row, position, 1);
            // a whole activation that is taken away leaves exactly 0: a norm would make much of what rounding leaves
            var from = nodes[n].Site.Dictionary is null ? nodes[n].Site.CleanAt(position) : old.Slice(held.At(0, position) * width, width);
            TensorPrimitives.Add(from, change, values.AsSpan((rows.Count - 1) * width, width));
        }
        Drop(site);
        Hold(site, DeviceTensor.FromHost(values[..(rows.Count * width)], 1, rows.Count, width), rows);
    }

    // at the residual stream every row has one more level; rows that end here leave
    private void Leave(int site, Action<MovedNode, float> found)
    {
        if (_rows.Count == 0 || _model.Bundle.Sites[site].Kind != SiteKind.Resid || gradientAt(site) is not { } gradient) return;
        foreach (var (row, node) in _rows) found(node, Linear(site, row, gradient));
        _rows.RemoveAll(r => r.Node.End == site);
    }

    // 0: nothing on the way has read the node's site
    private float Linear(int site, int row, float[] gradient)
    {
        if (_changed[site] is not { } x || _held.Of(site) is not { } rows || rows.Of(row) is not { } span) return 0;
        var all = x.Floats();
        var (width, sum) = ((int)x.Shape[^1], 0.0);
        var change = new float[width];
        for (var t = span.First; t < span.End; t++)
        {
            TensorPrimitives.Subtract(all.Slice(rows.At(row, t) * width, width), all.Slice(rows.At(0, t) * width, width), change);
            sum += TensorPrimitives.Dot<float>(change, gradient.AsSpan(t * width, width));
        }
        return (float)sum;
    }

    private void Finish(Action<MovedNode, float> found)
    {
        if (_rows.Count == 0) return;
        var head = _steps.Head(metric.Tokens is not null);
        var rows = _held.Differing(head, _steps.HeadIsPositionWise, _rows.Select(r => r.Row));
        if (rows.Spans.Count == 1)
        {
            foreach (var (_, node) in _rows) found(node, 0);
            return;
        }
        using var logits = RunStep(head, rows, null)[0];
        var values = FiniteValues.Require(logits.Floats(), "the logits").ToArray();
        var reference = metric.Kind == MetricKind.Kl ? clean.Logits(metric.Position) : [];
        var metrics = metric.OfTokens.Evaluate(values, rows.Spans.Count, reference, _model.Context.Threads);
        var places = rows.Spans.Select((s, i) => (s.Row, i)).ToDictionary(s => s.Row, s => s.i);
        // a row that does not differ where the logits read has the unmoved row's metric
        foreach (var (row, node) in _rows) found(node, (float)(metrics[places.GetValueOrDefault(row)] - metrics[0]));
    }

    private void Hold(int site, DeviceTensor value, PackedRows rows)
    {
        _changed[site] = value;
        _held.Hold(site, rows);
    }

    private void Drop(int site)
    {
        _changed[site]?.Dispose();
        _changed[site] = null;
        _held.Drop(site);
    }
}
