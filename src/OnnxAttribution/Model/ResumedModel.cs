using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Model;

/// <summary>
/// The model from one site on, a batch row per change of that site: what lies before it is not computed again.
/// 1. The graph is cut at the site (<see cref="ModelCut"/>).
/// 2. Sites that the change does not reach stay at their clean values: they are given once, for all rows.
/// 3. A run has as many rows as the memory budget holds.
/// </summary>
/// <remarks>Owns its session; who makes one disposes it.</remarks>
internal sealed class ResumedModel : IDisposable
{
    private readonly GraphRunner _runner;
    private readonly Feed _fixed = new();
    private readonly string _site;
    private readonly int _positions;
    private readonly int _width;

    /// <summary>What a resumed run computes, and with how much memory.</summary>
    /// <param name="Outputs">[batch, …] each.</param>
    /// <param name="Held">Sites that the change does not reach.</param>
    internal sealed record Part(IReadOnlyList<Value> Outputs, IReadOnlyList<Value> Held)
    {
        /// <summary>Inputs beside the sites and the tokens, to be given by <see cref="Give"/>.</summary>
        public IReadOnlyList<Value> Inputs { get; init; } = [];

        /// <summary>Numbers, float32, of one row of the largest output, where it is larger than the site's.</summary>
        public long LargestOutput { get; init; }

        public int LeastRows { get; init; } = 1;

        /// <summary>Let the runtime lay weights out for speed: more time than a run or two win back.</summary>
        public bool Prepacks { get; init; } = true;
    }

    /// <param name="clean">float32 [T, d] of a site in the clean run, by name.</param>
    public ResumedModel(LoadedModel model, ModelCut cut, Part part, int[] tokens, Func<string, float[]> clean)
    {
        (_site, _positions, _width) = (cut.From.Name, tokens.Length, model.WidthOf(model.Bundle.SiteNamed(cut.From.Name)));
        var graph = new OnnxGraph([cut.From, .. part.Held, cut.Graph[ModelBundle.Tokens], .. part.Inputs], part.Outputs)
        {
            Broadcast = part.Held.ToHashSet(),
        };
        var sizes = new Dictionary<string, long> { ["position"] = _positions, ["batch"] = 1 };
        var perRow = FlopCount.BytesPer(graph, "batch", sizes);
        OperationsPerRow = FlopCount.Of(graph, sizes);
        RowsPerRun = BatchRows.Of(model.Context.MemoryBudget, perRow, Math.Max((long)_positions * _width, part.LargestOutput),
            part.LeastRows);
        _runner = new GraphRunner(graph, model.Context, model.Directory, part.Prepacks);
        foreach (var held in part.Held)
        {
            var x = clean(held.Name);
            _fixed.Add(held.Name, x, 1, _positions, x.Length / _positions);
        }
        _fixed.AddTokens(tokens);
    }

    public int RowsPerRun { get; }

    /// <summary>Floating-point operations of the matrix products of one row.</summary>
    public long OperationsPerRow { get; }

    /// <summary>Gives an input of every run.</summary>
    public ResumedModel Give<T>(string name, T[] data, params long[] shape) where T : unmanaged
    {
        _fixed.Add(name, data, shape);
        return this;
    }

    /// <param name="rows">[rows, T, d]: the site, changed.</param>
    /// <returns>Every output; the caller's.</returns>
    public RunResult Run(float[] rows)
    {
        using var feed = new Feed().Add(_site, rows, rows.Length / (_positions * _width), _positions, _width);
        foreach (var (name, value) in _fixed.Values) feed.Lend(name, value);
        return _runner.Run(feed.Values, _runner.Outputs);
    }

    public void Dispose()
    {
        _runner.Dispose();
        _fixed.Dispose();
    }
}
