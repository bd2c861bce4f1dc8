using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>TransformerLens's weight processing of GPT-2, tensor by tensor and only those that change.</summary>
/// <remarks>
/// 1. fold_ln: b ← b + b_ln W, W ← diag(w) W minus its mean over d_model, for the weights that read from a LayerNorm; LayerNorm then only centres and scales,
///    so that the mean reads nothing.
/// 2. center_writing_weights: minus the mean over d_model, for all that writes to the residual stream. LayerNorm takes this mean out anyway.
/// 3. center_unembed: minus the mean over the vocabulary; logits shift by a constant, log-probabilities do not.
/// </remarks>
internal sealed class WeightProcessing(Gpt2Checkpoint checkpoint, ExportOptions options)
{
    /// <summary>A tensor that processing makes, computed when it is asked for.</summary>
    internal sealed record Tensor(string Name, long[] Shape, Func<float[]> Make);

    /// <summary>Name of an unembedding that is no longer the embedding, and of the bias that folding makes.</summary>
    public const string Unembedding = "unembed.weight", UnembeddingBias = "unembed.bias";

    public IEnumerable<Tensor> Tensors()
    {
        if (!options.ChangesWeights) yield break;
        var config = checkpoint.Config;
        int d = config.Width, v = config.VocabularySize;
        if (options.CenterWritingWeights)
        {
            yield return new("wte.weight", [v, d], () => CenterRows(Read("wte.weight"), d));
            yield return new("wpe.weight", [config.Positions, d], () => CenterRows(Read("wpe.weight"), d));
        }
        for (var l = 0; l < config.Layers; l++)
        {
            var h = $"h.{l}";
            if (options.FoldLayerNorm)
            {
                foreach (var t in Folded($"{h}.ln_1", $"{h}.attn.c_attn", d, 3 * d)) yield return t;
                foreach (var t in Folded($"{h}.ln_2", $"{h}.mlp.c_fc", d, config.InnerWidth)) yield return t;
            }
            if (options.CenterWritingWeights)
            {
                foreach (var (name, rows) in new[] { ($"{h}.attn.c_proj", d), ($"{h}.mlp.c_proj", config.InnerWidth) })
                {
                    yield return new($"{name}.weight", [rows, d], () => CenterRows(Read($"{name}.weight"), d));
                    yield return new($"{name}.bias", [d], () => CenterRows(Read($"{name}.bias"), d));
                }
            }
        }
        yield return new(Unembedding, [v, d], () => UnembeddingWeight(d));
        if (options.FoldLayerNorm) yield return new(UnembeddingBias, [v], () => UnembeddingOffset(d));
    }

    private float[] Read(string name) => checkpoint.File.ReadFloats(checkpoint.Tensor(name).Name);

    private IEnumerable<Tensor> Folded(string norm, string layer, int rows, int columns)
    {
        yield return new($"{layer}.weight", [rows, columns], () =>
        {
            var (w, scale) = (Read($"{layer}.weight"), Read($"{norm}.weight"));
            for (var i = 0; i < rows; i++)
            {
                for (var j = 0; j < columns; j++) w[(i * columns) + j] *= scale[i];
            }
            CenterColumns(w, columns);
            return w;
        });
        yield return new($"{layer}.bias", [columns], () =>
        {
            var (w, b, shift) = (Read($"{layer}.weight"), Read($"{layer}.bias"), Read($"{norm}.bias"));
            var sum = Array.ConvertAll(b, x => (double)x);
            for (var i = 0; i < rows; i++)
            {
                for (var j = 0; j < columns; j++) sum[j] += (double)shift[i] * w[(i * columns) + j];
            }
            return Array.ConvertAll(sum, x => (float)x);
        });
    }

    private string UnembeddingSource => checkpoint.HasLmHead ? "lm_head.weight" : "wte.weight";

    private float[] UnembeddingWeight(int d)
    {
        var w = Read(UnembeddingSource);
        if (options.FoldLayerNorm)
        {
            var scale = Read("ln_f.weight");
            for (var i = 0; i < w.Length; i++) w[i] *= scale[i % d];
            CenterRows(w, d);
        }
        if (options.CenterUnembed) CenterColumns(w, d);
        return w;
    }

    // b_U = W_U b_ln, centred with W_U
    private float[] UnembeddingOffset(int d)
    {
        var (w, shift) = (Read(UnembeddingSource), Read("ln_f.bias"));
        var b = new double[w.Length / d];
        for (var i = 0; i < w.Length; i++) b[i / d] += (double)w[i] * shift[i % d];
        var mean = options.CenterUnembed ? b.Average() : 0;
        return Array.ConvertAll(b, x => (float)(x - mean));
    }

    private static void CenterColumns(float[] w, int columns)
    {
        var mean = new double[columns];
        for (var i = 0; i < w.Length; i++) mean[i % columns] += w[i];
        var rows = w.Length / columns;
        for (var i = 0; i < w.Length; i++) w[i] -= (float)(mean[i % columns] / rows);
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
