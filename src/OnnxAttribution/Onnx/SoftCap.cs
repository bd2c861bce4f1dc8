namespace OnnxAttribution.Onnx;

/// <summary>Soft caps, c · tanh(x / c), as Gemma 2 lays over attention scores and logits: told by their operators.</summary>
internal static class SoftCap
{
    /// <summary>What the last soft cap of a value is laid over; the value itself where it has none.</summary>
    public static Value Below(Value v)
    {
        var capped = Handed(v);
        if (capped.Producer is not { Type: "Mul" } scaled) return v;
        foreach (var i in (int[])[0, 1])
        {
            if (Constants.Scalar(scaled.In[1 - i]!) is not { } cap || Handed(scaled.In[i]!).Producer is not { Type: "Tanh" } tanh) continue;
            if (Divided(Handed(tanh.In[0]!), cap) is { } x) return x;
        }
        return v;
    }

    // what is divided by the cap, or multiplied by its reciprocal
    private static Value? Divided(Value v, double cap)
    {
        bool Is(Value number, double value) => Constants.Scalar(number) is { } c && Math.Abs(c - value) < 1e-6 * Math.Abs(value);
        return v.Producer switch
        {
            { Type: "Div" } op when Is(op.In[1]!, cap) => op.In[0],
            { Type: "Mul" } op when Is(op.In[1]!, 1 / cap) => op.In[0],
            { Type: "Mul" } op when Is(op.In[0]!, 1 / cap) => op.In[1],
            _ => null,
        };
    }

    private static Value Handed(Value v) => v.Producer is { Type: "Identity" or "Cast" } op ? Handed(op.In[0]!) : v;
}
