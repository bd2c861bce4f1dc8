using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Preflight;

/// <summary>
/// The model's cross-entropy with a site as it is, rebuilt by its dictionary, and zeroed:
/// 1. a clean pass over a batch yields every site, step by step (<see cref="SegmentedModel"/>);
/// 2. for each dictionary the pass goes on from its site, with x̂ at all positions but BOS, and with 0 at all positions;
/// 3. −log p of the next token is summed over the predictions made at positions that count (<see cref="RowLayout.IsFirst"/>).
/// </summary>
/// <remarks>As SAELens's <c>get_recons_loss</c> does it with BOS ignored. Owns its session; who makes one disposes it.</remarks>
internal sealed class SplicedLoss : IDisposable
{
    private const int MostTokens = 1024;
    private const long MostLogitBytes = 256 << 20;
    private const string Targets = "loss/targets", Output = "loss/logprob";

    private readonly LoadedModel _model;
    private readonly GraphRunner _head;
    private readonly IReadOnlyList<int> _headReads;

    public SplicedLoss(LoadedModel model)
    {
        _model = model;
        var graph = model.Bundle.WithoutInterventions(batch: null);
        Value[] sites = [.. model.Bundle.Sites.Select(s => graph[s.Name])];
        var read = Topology.DirectlyReadBy(graph[ModelBundle.Logits], sites.ToHashSet());
        _headReads = [.. Enumerable.Range(0, sites.Length).Where(i => read.Contains(sites[i]))];
        var g = new GraphBuilder("loss/");
        var targets = g.Input(Targets, DataType.Int64, Dim.Named("batch"), Dim.Named("position"), Dim.Of(1));
        // [batch, position, 1]
        var picked = g.Emit("GatherElements", [g.LogSoftmax(graph[ModelBundle.Logits], -1), targets], [Output], ("axis", 2L));
        _head = new GraphRunner(new OnnxGraph([.. _headReads.Select(i => sites[i]), graph[ModelBundle.Tokens], targets], picked),
            model.Context, model.Directory);
    }

    /// <summary>Sums of −log p of the sites' passes; divided by <see cref="Predictions"/> they are nats per token.</summary>
    public double Clean { get; private set; }

    public Dictionary<Site, (double Spliced, double Zero)> Sums { get; } = [];

    public int Predictions { get; private set; }

    /// <param name="layout">The sequences.</param>
    /// <param name="rebuilt">x̂ per site, [rows, d] as laid out.</param>
    /// <param name="hasBos">The first position is BOS and stays as it is.</param>
    public void Add(RowLayout layout, IReadOnlyDictionary<Site, float[]> rebuilt, bool hasBos, IProgress<string>? progress)
    {
        var longest = layout.Sequences.Max(s => s.Length);
        var most = (int)Math.Clamp(Math.Min(MostTokens / longest, MostLogitBytes / (2L * sizeof(float) * longest * _model.VocabularySize)),
            1, int.MaxValue);
        var row = 0;
        foreach (var (first, count, length) in layout.Batches(most))
        {
            var batch = new Batch(layout.Padded(first, count, length),
                [.. Enumerable.Range(first, count).Select(i => layout.Sequences[i].Length)], length);
            var sites = new DeviceTensor?[_model.Bundle.Sites.Count];
            try
            {
                for (var i = 0; i < sites.Length; i++) sites[i] = Step(i, sites, batch);
                Clean += Loss(sites, batch);
                foreach (var (site, all) in rebuilt)
                {
                    progress?.Report($"cross-entropy, {site.Name}, {row + batch.Tokens:N0} of {layout.Rows:N0} tokens");
                    var index = _model.SiteIndex(site.Name);
                    var x = sites[index]!;
                    var spliced = Resumed(index, Spliced(x, all, row, batch, hasBos ? 1 : 0), x.Shape, sites, batch);
                    var zero = Resumed(index, new float[x.Shape.Aggregate(1L, (n, s) => n * s)], x.Shape, sites, batch);
                    var (a, b) = Sums.GetValueOrDefault(site);
                    Sums[site] = (a + spliced, b + zero);
                }
            }
            finally
            {
                foreach (var x in sites) x?.Dispose();
            }
            Predictions += batch.Lengths.Sum(n => Math.Max(0, n - 2));
            row += batch.Tokens;
        }
    }

    public void Dispose() => _head.Dispose();

    /// <param name="Ids">[sequences, length].</param>
    private sealed record Batch(long[] Ids, int[] Lengths, int Length)
    {
        public int Count => Lengths.Length;
        public int Tokens => Lengths.Sum();
    }

    private DeviceTensor Step(int step, IReadOnlyList<DeviceTensor?> sites, Batch batch) =>
        _model.Steps.Run(step, sites, batch.Ids, batch.Count, 0);

    private static float[] Spliced(DeviceTensor x, float[] rebuilt, int row, Batch batch, int from)
    {
        var values = x.Floats().ToArray();
        var width = values.Length / (batch.Count * batch.Length);
        for (var b = 0; b < batch.Count; row += batch.Lengths[b++])
        {
            var n = batch.Lengths[b] - from;
            rebuilt.AsSpan((row + from) * width, n * width).CopyTo(values.AsSpan(((b * batch.Length) + from) * width));
        }
        return values;
    }

    // the pass from a changed site on: what the change does not reach is the clean run's
    private double Resumed(int index, float[] value, long[] shape, DeviceTensor?[] clean, Batch batch)
    {
        var changed = _model.Steps.Resume(index, DeviceTensor.FromHost(value, shape), clean, batch.Ids, batch.Count);
        try
        {
            return Loss([.. clean.Select((x, i) => changed[i] ?? x)], batch);
        }
        finally
        {
            foreach (var x in changed) x?.Dispose();
        }
    }

    private double Loss(DeviceTensor?[] sites, Batch batch)
    {
        var targets = new long[batch.Ids.Length];
        for (var i = 0; i + 1 < targets.Length; i++) targets[i] = (i + 1) % batch.Length == 0 ? 0 : batch.Ids[i + 1];
        using var feed = new Feed().AddTokens(batch.Ids, batch.Count).Add(Targets, targets, batch.Count, batch.Length, 1);
        foreach (var i in _headReads) feed.Lend(_model.Bundle.Sites[i].Name, sites[i]!.Value);
        using var result = _head.Run(feed.Values, [Output]);
        var logprob = result.Floats(Output);
        var sum = 0.0;
        for (var b = 0; b < batch.Count; b++)
        {
            for (var t = 1; t < batch.Lengths[b] - 1; t++) sum -= logprob[(b * batch.Length) + t];
        }
        return sum;
    }
}
