using System.Numerics.Tensors;
using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Lenses;

/// <summary>
/// Logit lens and direct logit attribution of one prompt.
/// 1. One pass gives the residual stream half layer by half layer, its summands, and what heads read.
/// 2. The head's logits at the metric's position say which tokens are meant. A single token's logit is taken less the mean over the
///    vocabulary: only that is a sum of what is written, since Softmax does not see the rest.
/// 3. Halves are read by the head: by the final stream's scale at each position, or by their own.
/// 4. The metric is pulled back through the head with the final scale held, to a direction u of the stream. A summand c adds c·u, and the
///    biases what the metric is of a stream of zeros: together the metric, and the miss says whether they do.
/// </summary>
/// <remarks>nostalgebraist 2020 (logit lens); Elhage et al. 2021; Wang et al. 2022 (arXiv:2211.00593), direct logit attribution.</remarks>
internal sealed class LensFinder
{
    private const double MostOff = 1e-2;
    private const long BytesAtOnce = 128 << 20;

    private readonly LoadedModel _model;
    private readonly LensOptions _options;
    private readonly LensStream _stream;
    private readonly LensHead _head;

    /// <exception cref="AttributionException">The model's graph does not say what is asked for.</exception>
    public LensFinder(LoadedModel model, LensOptions options)
    {
        (_model, _options) = (model, options);
        if (model.IsReplaced)
        {
            throw new AttributionException("a lens reads the model itself, and here transcoders stand for its MLPs; open it without")
            {
                Settings = [Setting.Replace]
            };
        }
        (_stream, _head) = (LensStream.Of(model), LensHead.Of(model));
        if ((options.Heads || options.Features) && _stream.Missing is { } missing)
        {
            throw new AttributionException($"{model.Directory}: {missing}; leave heads and features out, or name the tensor among the "
                + "sites of its sites file")
            {
                Settings = options.Heads ? [Setting.Heads] : [Setting.Features]
            };
        }
        if (options.Features) LensFeatures.Check(model);
        if (options.Heads) _ = LensHeads.Of(model);
    }

    /// <exception cref="AttributionException">The metric is no sum of what is written, the prompt has no such position or token, or an
    /// activation overflows.</exception>
    /// <exception cref="OperationCanceledException">The context was cancelled.</exception>
    public Lens Find(int[] tokens, MetricRequest request, IProgress<string>? progress = null)
    {
        RequireSum(request.Kind);
        _model.RequireTokens(tokens);
        var position = request.Position ?? tokens.Length - 1;
        _model.RequirePosition(position, tokens.Length);
        progress?.Report("running the prompt");
        using var pass = _stream.Run(tokens);
        var last = pass.At(_stream.Halves[^1].Site, position).ToArray();
        using var logits = _head.Read(last, 1);
        var below = FiniteValues.Require(logits.Copy(LensHead.Below), "the logits");
        var metric = request.Choose(position, below);
        var u = _head.Pull(last, metric);
        RequireHeld(metric, below, u, last);
        return new Lens(tokens, metric)
        {
            Value = LensHead.Measure(metric, below),
            IsBelowSoftCap = _head.HasSoftCap,
            Next = LensTokens.Top(below, logits.Floats(LensHead.Logits), 10),
            Readings = Readings(pass, metric, progress),
            Summands = Summands(pass, metric, u),
            WithoutSummands = _stream.Missing,
        };
    }

    /// <summary>Refuses a metric that is no sum of what is written to the stream.</summary>
    /// <exception cref="AttributionException">It is none.</exception>
    public static void RequireSum(MetricKind kind)
    {
        if (kind is MetricKind.Logit or MetricKind.LogitDiff) return;
        throw new AttributionException($"the metric {Metric.NameOf(kind)} is no sum of what is written to the residual stream: "
            + $"{Metric.NameOf(MetricKind.Logit)} and {Metric.NameOf(MetricKind.LogitDiff)} are; take one of them")
        {
            Settings = [Setting.Metric]
        };
    }

    // a head that is no norm and a product would make nonsense of a held scale
    private void RequireHeld(Metric metric, float[] below, float[] u, float[] last)
    {
        var (real, held) = (LensHead.Measure(metric, below), Projection.Of(last, u) + LensHead.Measure(metric, _head.OfZeros));
        var size = Math.Max(Math.Abs(real), TensorPrimitives.MaxMagnitude<float>(below));
        if (Math.Abs(real - held) <= MostOff * size) return;
        throw new AttributionException($"{_model.Directory}: what reads the final residual stream is no norm and a product with the "
            + $"unembedding, as far as its operators tell: with the scale held the metric would be {held:G4}, and it is {real:G4}");
    }

    // halves by halves and positions, a stretch of positions at a time
    private List<LensReading> Readings(LensPass pass, Metric metric, IProgress<string>? progress)
    {
        var halves = _stream.Halves;
        int[] positions = _options.EveryPosition ? [.. Enumerable.Range(0, pass.Positions)] : [metric.Position];
        var most = (int)Math.Clamp(BytesAtOnce / ((long)halves.Count * _head.Vocabulary * sizeof(float)), 1, positions.Length);
        var readings = new LensReading[halves.Count][];
        for (var i = 0; i < halves.Count; i++) readings[i] = new LensReading[positions.Length];
        for (var from = 0; from < positions.Length; from += most)
        {
            _model.Context.Cancel.ThrowIfCancellationRequested();
            progress?.Report($"reading positions {from} to {Math.Min(from + most, positions.Length) - 1} of {positions.Length}");
            var some = positions.AsSpan(from, Math.Min(most, positions.Length - from)).ToArray();
            using var result = Read(pass, some);
            Parallel.For(0, halves.Count * some.Length, new ParallelOptions { MaxDegreeOfParallelism = _model.Context.Threads }, i =>
            {
                var (half, at, row) = (halves[i / some.Length], i % some.Length, i * _head.Vocabulary);
                var below = result.Floats(LensHead.Below).Slice(row, _head.Vocabulary);
                var logits = result.Floats(LensHead.Logits).Slice(row, _head.Vocabulary);
                readings[i / some.Length][from + at] = new LensReading(half.Site, half.Depth, some[at], LensHead.Measure(metric, below),
                    LensTokens.Top(below, logits, _options.Top));
            });
        }
        return [.. readings.SelectMany(r => r)];
    }

    // [halves, positions, vocabulary]
    private RunResult Read(LensPass pass, int[] positions)
    {
        var (width, halves) = (_head.Width, _stream.Halves);
        var x = new float[halves.Count * positions.Length * width];
        for (var i = 0; i < halves.Count * positions.Length; i++)
        {
            pass.At(halves[i / positions.Length].Site, positions[i % positions.Length]).CopyTo(x.AsSpan(i * width, width));
        }
        var result = _options.Scale == LensScale.Own ? _head.Read(x, halves.Count * positions.Length)
            : _head.Read(x.AsMemory(x.Length - (positions.Length * width)), x, positions.Length);
        FiniteValues.Require(result.Floats(LensHead.Below), "the readings");
        return result;
    }

    private List<LensSummand> Summands(LensPass pass, Metric metric, float[] u)
    {
        if (_stream.Missing is not null) return [];
        double Adds(string hook) => Projection.Of(pass.At(hook, metric.Position), u);
        var summands = _stream.Summands.Select(s => s with { Of = null, Value = Adds(s.Of!) }).ToList();
        summands.Add(new LensSummand(SummandKind.NormBias, "norm bias", LensHead.Measure(metric, _head.OfZeros)));
        float[][]? z = null;
        if (_options.Heads)
        {
            var heads = LensHeads.Of(_model);
            z = heads.PullBackTo(pass, u, metric.Position);
            summands.AddRange(OfHeads(heads, z, pass, metric.Position, u));
        }
        if (_options.Features) summands.AddRange(new LensFeatures(_model, pass, metric.Position).Split(u, () => z));
        return summands;
    }

    private IEnumerable<LensSummand> OfHeads(LensHeads heads, float[][] z, LensPass pass, int position, float[] u)
    {
        var biases = heads.Biases();
        for (var l = 0; l < z.Length; l++)
        {
            var (of, width, sum) = ($"blocks.{l}.hook_attn_out", z[l].Length / heads.Heads[l], 0.0);
            for (var h = 0; h < heads.Heads[l]; h++)
            {
                var value = Projection.Of(pass.At(LensHeads.Hook(l), position).Slice(h * width, width), z[l].AsSpan(h * width, width));
                sum += value;
                yield return new LensSummand(SummandKind.Head, new HeadName(l, h).ToString(), value) { Of = of, Layer = l, Head = h };
            }
            var bias = Projection.Of(biases[l], u);
            yield return new LensSummand(SummandKind.HeadBias, $"{l}.attn bias", bias) { Of = of, Layer = l };
            heads.RequireSum(l, sum + bias, Projection.Of(pass.At(of, position), u));
        }
    }
}
