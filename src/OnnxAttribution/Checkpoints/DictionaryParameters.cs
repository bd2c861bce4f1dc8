using System.Numerics.Tensors;

namespace OnnxAttribution.Checkpoints;

/// <summary>
/// What every kind of dictionary comes to, per feature j: <c>pre = scale · ((norm(x) − b_pre) · W_enc[:, j]) + bias</c>, <c>f = pre</c>
/// where <c>pre &gt; threshold</c> (for TopK: and among the k largest), else 0, and <c>decoder row = decoderScale · W_dec[j]</c>. No vector
/// that would change nothing is made, and no matrix is copied.
/// </summary>
/// <remarks>
/// A gated dictionary is a thresholded one, exactly: with π = x · W_enc it is active where π + b_gate &gt; 0 and its magnitude π · e^r_mag
/// + b_mag &gt; 0, and the first is the same as magnitude &gt; b_mag − b_gate · e^r_mag. With <c>rescale_acts_by_decoder_norm</c> scale and
/// bias count with ‖W_dec[j]‖ and the decoder divides by it.
/// </remarks>
internal sealed class DictionaryParameters
{
    private DictionaryParameters(Memory<float> bias, TensorEntry? biasEntry) => (Bias, BiasEntry) = (bias, biasEntry);

    /// <summary>[d_sae].</summary>
    public Memory<float> Bias { get; }

    /// <summary>Where <see cref="Bias"/> lies in the file as float32; null where it was computed.</summary>
    public TensorEntry? BiasEntry { get; }

    /// <summary>[d_sae]; null: 1.</summary>
    public float[]? Scale { get; private init; }

    /// <summary>[d_sae], at least 0; null: 0.</summary>
    public float[]? Threshold { get; private init; }

    /// <summary>[d_sae]; null: 1.</summary>
    public float[]? DecoderScale { get; private init; }

    public static DictionaryParameters Of(SaeLensDictionary dictionary)
    {
        var file = dictionary.File;
        var finetuned = dictionary.ScalingFactor();
        switch (dictionary.Architecture)
        {
            case DictionaryArchitecture.Gated:
                var (bias, gate, growth) = (file.ReadFloats("b_mag"), file.ReadFloats("b_gate"),
                    Array.ConvertAll(file.ReadFloats("r_mag"), r => Math.Exp(r)));
                return new(Load(file, "b_mag"), Plain(file, "b_mag"))
                {
                    Scale = Array.ConvertAll(growth, g => (float)g),
                    Threshold = Above0([.. bias.Select((b, j) => (float)(b - (gate[j] * growth[j])))]),
                    DecoderScale = finetuned,
                };
            case DictionaryArchitecture.JumpRelu:
                return new(Load(file, "b_enc"), Plain(file, "b_enc"))
                {
                    Threshold = Above0(file.ReadFloats("threshold")),
                    DecoderScale = finetuned
                };
            case DictionaryArchitecture.TopK when dictionary.Config.RescalesByDecoderNorm:
                var norms = DecoderNorms(dictionary);
                return new(file.ReadFloats("b_enc").Select((b, j) => b * norms[j]).ToArray(), null)
                {
                    Scale = norms,
                    // a row of zeros rebuilds nothing, whatever it is divided by
                    DecoderScale = [.. norms.Select((n, j) => n == 0 ? 1 : (finetuned?[j] ?? 1) / n)],
                };
            default:
                return new(Load(file, "b_enc"), Plain(file, "b_enc")) { DecoderScale = finetuned };
        }
    }

    private static float[]? Above0(float[] threshold)
    {
        for (var i = 0; i < threshold.Length; i++) threshold[i] = Math.Max(threshold[i], 0);
        return threshold.AsSpan().ContainsAnyExcept(0) ? threshold : null;
    }

    private static float[] DecoderNorms(SaeLensDictionary dictionary)
    {
        var (rows, width) = (Load(dictionary.File, "W_dec"), dictionary.Width);
        var norms = new float[dictionary.FeatureCount];
        Parallel.For(0, norms.Length, j => norms[j] = TensorPrimitives.Norm<float>(rows.Span.Slice(j * width, width)));
        return norms;
    }

    private static TensorEntry? Plain(SafetensorsFile file, string name) =>
        file.Tensors[name] is { Type: TensorType.F32 } entry ? entry : null;

    private static Memory<float> Load(SafetensorsFile file, string name) =>
        Plain(file, name) is null ? file.ReadFloats(name) : file.MapFloat32(name);
}
