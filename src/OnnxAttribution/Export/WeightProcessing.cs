using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;

namespace OnnxAttribution.Export;

/// <summary>TransformerLens's weight processing, tensor by tensor and only those that change or are not stored as float32.</summary>
/// <remarks>
/// 1. fold_ln: b ← b + b_ln W, W ← diag(w) W minus its mean over d_model, for the weights that read from a LayerNorm;
///    LayerNorm then only centres and scales, so that the mean reads nothing. RMSNorm has no b_ln and leaves the mean in, so W ← diag(w) W.
///    Norms behind a sublayer, and those of queries and keys, keep their weights: no linear layer reads what they yield.
/// 2. center_writing_weights: minus the mean over d_model, for all that writes to the residual stream.
///    LayerNorm takes this mean out anyway; RMSNorm does not.
/// 3. center_unembed: minus the mean over the vocabulary; logits shift by a constant, log-probabilities do not.
///    Below a soft cap of the logits they would.
/// 4. fold_value_biases, of the weights as they are by then: attention patterns sum to 1, so b_O ← b_O + b_V W_O and b_V ← 0.
///    Only <c>attn.hook_z</c> (and v) changes.
/// </remarks>
internal sealed class WeightProcessing
{
    /// <summary>A tensor that processing makes, computed when it is asked for.</summary>
    internal sealed record Tensor(string Name, long[] Shape, Func<float[]> Make);

    private readonly ExportOptions _options;

    public ModelArchitecture Architecture { get; }
    public Checkpoint Checkpoint { get; }

    /// <exception cref="BundleException">It would change what the model computes.</exception>
    public WeightProcessing(ModelArchitecture architecture, Checkpoint checkpoint, ExportOptions options)
    {
        (Architecture, Checkpoint, _options) = (architecture, checkpoint, options);
        if (options.CenterWritingWeights && architecture.LastNorm.IsRms)
        {
            throw new BundleException($"{options.Checkpoint} is a {architecture.Shape.ModelType}, whose RMSNorm does not take the mean out "
                + "of the residual stream: centring the weights that write to it would change the model; "
                + "leave them as they are")
            {
                Settings = [Setting.CenterWritingWeights]
            };
        }
        if (options.CenterUnembed && architecture.LogitCap is { } cap)
        {
            throw new BundleException($"{options.Checkpoint} is a {architecture.Shape.ModelType}, whose logits have a soft cap of {cap}, "
                + "through which a constant does not pass unchanged: centring the unembedding would change the model; leave it as it is")
            {
                Settings = [Setting.CenterUnembed]
            };
        }
    }

    /// <summary>Every tensor that the graph takes from elsewhere than the checkpoint: what processing changes, and what is stored in
    /// another type than float32. The graph is computed in float32, and the runtime would keep a copy of such weights in every session;
    /// written once in float32, they are mapped by all.</summary>
    public IReadOnlyList<Tensor> Tensors()
    {
        List<Tensor> changed = [.. Changed()];
        var made = changed.Select(t => t.Name).ToHashSet();
        TensorSpec?[] ofHead = [made.Contains(HookedGraphBuilder.ProcessedUnembedding) ? null : Architecture.OwnUnembedding,
            made.Contains(HookedGraphBuilder.ProcessedUnembeddingBias) ? null : Architecture.UnembeddingBias];
        return [.. changed, .. Architecture.Layout.Tensors.Concat(ofHead.OfType<TensorSpec>())
            .Where(t => !made.Contains(t.Name) && Checkpoint.Tensor(t.Name).Entry.Type != TensorType.F32)
            .Select(t => new Tensor(t.Name, t.Shape, () => Read(t.Name)))];
    }

    private IEnumerable<Tensor> Changed()
    {
        if (!_options.ChangesWeights) return [];
        List<Tensor> before = [.. _options.FoldLayerNorm ? Folded() : [], .. _options.CenterWritingWeights ? Centred() : [],
            .. _options.ChangesUnembedding ? NewUnembedding() : []];
        if (!_options.FoldValueBiases) return before;
        var made = before.ToDictionary(t => t.Name);
        var moved = Architecture.Blocks.SelectMany(b => Moved(b.Attention, made)).ToDictionary(t => t.Name);
        return [.. before.Where(t => !moved.ContainsKey(t.Name)), .. moved.Values];
    }

    private float[] Read(string name) => Checkpoint.ReadFloats(name);

    private IEnumerable<Tensor> Folded() =>
        Architecture.Blocks.SelectMany(b => b.Readers).SelectMany(r => r.Norm is { } norm ? Folded(norm, r.Linear) : []);

    private IEnumerable<Tensor> Folded(Norm norm, Linear linear)
    {
        yield return new(linear.Weight, linear.Shape, () =>
        {
            var (w, scale) = (Read(linear.Weight), Read(norm.Weight));
            for (var i = 0; i < w.Length; i++) w[i] *= scale[InputOf(linear, i)] + norm.Offset;
            if (!norm.IsRms) CenterOverInput(w, linear);
            return w;
        });
        if (norm.IsRms) yield break;
        yield return new(linear.Bias, [linear.Out], () =>
        {
            var (w, shift) = (Read(linear.Weight), Read(norm.Bias));
            var sum = linear.HasBias ? Array.ConvertAll(Read(linear.Bias), x => (double)x) : new double[linear.Out];
            for (var i = 0; i < w.Length; i++) sum[OutputOf(linear, i)] += (double)shift[InputOf(linear, i)] * w[i];
            return Array.ConvertAll(sum, x => (float)x);
        });
    }

    private IEnumerable<Tensor> Centred()
    {
        var d = Architecture.Shape.Width;
        foreach (var e in Architecture.Embeddings) yield return new(e.Name, e.Shape, () => CenterRows(Read(e.Name), d));
        foreach (var linear in Architecture.Blocks.SelectMany(b => b.Writers))
        {
            yield return new(linear.Weight, linear.Shape,
                () => linear.OutFirst ? CenterColumns(Read(linear.Weight), linear.In) : CenterRows(Read(linear.Weight), d));
            if (linear.HasBias) yield return new(linear.Bias, [d], () => CenterRows(Read(linear.Bias), d));
        }
    }

    private IEnumerable<Tensor> Moved(AttentionLayout attention, Dictionary<string, Tensor> made)
    {
        float[] Now(string name) => made.TryGetValue(name, out var t) ? t.Make() : Read(name);
        var (from, to) = (attention.Heads.Values, attention.Out);
        if (!from.HasBias && !made.ContainsKey(from.Bias)) yield break;
        yield return new(from.Bias, [from.Out], () =>
        {
            var b = Now(from.Bias);
            for (var i = 0; i < to.In; i++) b[attention.Heads.ValueOf(i)] = 0;
            return b;
        });
        yield return new(to.Bias, [to.Out], () =>
        {
            var (v, w) = (Now(from.Bias), Now(to.Weight));
            var sum = to.HasBias ? Array.ConvertAll(Now(to.Bias), x => (double)x) : new double[to.Out];
            for (var i = 0; i < w.Length; i++) sum[OutputOf(to, i)] += (double)v[attention.Heads.ValueOf(InputOf(to, i))] * w[i];
            return Array.ConvertAll(sum, x => (float)x);
        });
    }

    private IEnumerable<Tensor> NewUnembedding()
    {
        var (d, v) = (Architecture.Shape.Width, Architecture.Shape.VocabularySize);
        yield return new(HookedGraphBuilder.ProcessedUnembedding, [v, d], () => UnembeddingWeight(d));
        if (MakesUnembeddingBias)
        {
            yield return new(HookedGraphBuilder.ProcessedUnembeddingBias, [v], () => UnembeddingOffset(d));
        }
    }

    private float[] UnembeddingWeight(int d)
    {
        var w = Read(Architecture.Unembedding);
        if (_options.FoldLayerNorm)
        {
            var scale = Read(Architecture.LastNorm.Weight);
            for (var i = 0; i < w.Length; i++) w[i] *= scale[i % d] + Architecture.LastNorm.Offset;
            if (!Architecture.LastNorm.IsRms) CenterRows(w, d);
        }
        return _options.CenterUnembed ? CenterColumns(w, d) : w;
    }

    private bool MakesUnembeddingBias =>
        (_options.FoldLayerNorm && !Architecture.LastNorm.IsRms) || (_options.CenterUnembed && Architecture.UnembeddingBias is not null);

    // b_U + W_U b_ln, centred with W_U
    private float[] UnembeddingOffset(int d)
    {
        var own = Architecture.UnembeddingBias is { } bias ? Read(bias.Name) : new float[Architecture.Shape.VocabularySize];
        var b = Array.ConvertAll(own, x => (double)x);
        if (_options.FoldLayerNorm && !Architecture.LastNorm.IsRms)
        {
            var (w, shift) = (Read(Architecture.Unembedding), Read(Architecture.LastNorm.Bias));
            for (var i = 0; i < w.Length; i++) b[i / d] += (double)w[i] * shift[i % d];
        }
        var mean = _options.CenterUnembed ? b.Average() : 0;
        return Array.ConvertAll(b, x => (float)(x - mean));
    }

    private static int InputOf(Linear linear, int i) => linear.OutFirst ? i % linear.In : i / linear.Out;

    private static int OutputOf(Linear linear, int i) => linear.OutFirst ? i / linear.In : i % linear.Out;

    private static void CenterOverInput(float[] w, Linear linear)
    {
        if (linear.OutFirst) CenterRows(w, linear.In);
        else CenterColumns(w, linear.Out);
    }

    private static float[] CenterColumns(float[] w, int columns)
    {
        var mean = new double[columns];
        for (var i = 0; i < w.Length; i++) mean[i % columns] += w[i];
        var rows = w.Length / columns;
        for (var i = 0; i < w.Length; i++) w[i] -= (float)(mean[i % columns] / rows);
        return w;
    }

    private static float[] CenterRows(float[] w, int d)
    {
        for (var start = 0; start < w.Length; start += d)
        {
            var mean = 0.0;
            for (var i = 0; i < d; i++) mean += w[start + i];
            mean /= d;
            for (var i = 0; i < d; i++) w[start + i] -= (float)mean;
        }
        return w;
    }
}
