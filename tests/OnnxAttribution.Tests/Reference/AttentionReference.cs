namespace OnnxAttribution.Tests.Reference;

/// <summary>The operators Attention and RotaryEmbedding of operator set 23 by their definitions, entry by entry in double.</summary>
internal static class AttentionReference
{
    /// <summary>What the attributes say; null: what the operator takes where they are left out.</summary>
    /// <param name="Heads">Of queries and of keys; null where the tensors have an axis for them.</param>
    internal sealed record Options((int Queries, int Keys)? Heads = null, double? Scale = null, double Softcap = 0, bool Causal = false,
        bool MaskIsBool = false);

    /// <param name="mask">Broadcast to [B, H, T, S]: added to the scores,
    /// or with <see cref="Options.MaskIsBool"/> 1 where a key is seen.</param>
    public static DoubleTensor Attention(DoubleTensor q, DoubleTensor k, DoubleTensor v, DoubleTensor? mask, Options options)
    {
        var (qh, kh, vh) = (ByHead(q, options.Heads?.Queries), ByHead(k, options.Heads?.Keys), ByHead(v, options.Heads?.Keys));
        int heads = qh.Shape[1], positions = qh.Shape[2], keys = kh.Shape[2], width = qh.Shape[3], group = heads / kh.Shape[1];
        var scale = options.Scale ?? 1 / Math.Sqrt(width);
        var y = DoubleTensor.Zeros(qh.Shape[0], heads, positions, vh.Shape[3]);
        for (var b = 0; b < qh.Shape[0]; b++)
        {
            for (var h = 0; h < heads; h++)
            {
                for (var t = 0; t < positions; t++)
                {
                    var pattern = Softmax([.. Enumerable.Range(0, keys).Select(s => Score(b, h, t, s))]);
                    for (var i = 0; i < vh.Shape[3]; i++)
                    {
                        y.Data[y.Offset([b, h, t, i])] = Enumerable.Range(0, keys).Sum(s => pattern[s] * vh.At(b, h / group, s, i));
                    }
                }
            }
        }
        return options.Heads is null ? y : SideBySide(y);

        double Score(int b, int h, int t, int s)
        {
            var dot = Enumerable.Range(0, width).Sum(i => qh.At(b, h, t, i) * kh.At(b, h / group, s, i)) * scale;
            if (options.Softcap > 0) dot = options.Softcap * Math.Tanh(dot / options.Softcap);
            var entry = mask?.At(b, h, t, s);
            return (options.Causal && s > t) || (options.MaskIsBool && entry == 0)
                ? double.NegativeInfinity
                : dot + (options.MaskIsBool ? 0 : entry ?? 0);
        }
    }

    /// <summary>Pairs of a head's first entries turned; cosines and sines are [B, T, turned / 2].</summary>
    public static DoubleTensor Rotary(DoubleTensor x, (DoubleTensor Cos, DoubleTensor Sin) angles, int? heads, int turned, bool interleaved)
    {
        var (cos, sin) = angles;
        var xh = ByHead(x, heads);
        var z = DoubleTensor.Tabulate(xh.Shape, at =>
        {
            var (b, h, t, i) = (at[0], at[1], at[2], at[3]);
            if (i >= turned) return xh.At(b, h, t, i);
            var pair = interleaved ? i / 2 : i % (turned / 2);
            var isFirst = interleaved ? i % 2 == 0 : i < turned / 2;
            var (first, second) = interleaved
                ? (xh.At(b, h, t, 2 * pair), xh.At(b, h, t, (2 * pair) + 1))
                : (xh.At(b, h, t, pair), xh.At(b, h, t, pair + (turned / 2)));
            return isFirst
                ? (first * cos.At(b, t, pair)) - (second * sin.At(b, t, pair))
                : (first * sin.At(b, t, pair)) + (second * cos.At(b, t, pair));
        });
        return heads is null ? z : SideBySide(z);
    }

    private static double[] Softmax(double[] scores)
    {
        var largest = scores.Max();
        var exp = Array.ConvertAll(scores, s => Math.Exp(s - largest));
        return Array.ConvertAll(exp, e => e / exp.Sum());
    }

    // [B, T, H · d] to [B, H, T, d]
    private static DoubleTensor ByHead(DoubleTensor x, int? heads) => heads is not { } n ? x
        : DoubleTensor.Tabulate([x.Shape[0], n, x.Shape[1], x.Shape[2] / n], i => x.At(i[0], i[2], (i[1] * (x.Shape[2] / n)) + i[3]));

    private static DoubleTensor SideBySide(DoubleTensor x) =>
        DoubleTensor.Tabulate([x.Shape[0], x.Shape[2], x.Shape[1] * x.Shape[3]],
            i => x.At(i[0], i[2] / x.Shape[3], i[1], i[2] % x.Shape[3]));
}
