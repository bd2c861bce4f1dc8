namespace OnnxAttribution.Onnx;

/// <summary>Operators of a graph once more, where what they read has been replaced: whatever reads no copy is shared with the original.
/// </summary>
/// <param name="prefix">Of copies' names. Where it is empty, a copy has the original's name and, as far as inference does not say it, its
/// shape.</param>
internal sealed class OpCopies(string prefix = "")
{
    private readonly Dictionary<Value, Value> _copies = [];

    /// <summary>A value's copy, or where it has none the value.</summary>
    public Value this[Value original]
    {
        get => _copies.GetValueOrDefault(original, original);
        set => _copies[original] = value;
    }

    public bool Has(Value? original) => original is not null && _copies.ContainsKey(original);

    /// <summary>Copies each operator that reads a copy.</summary>
    /// <param name="ops">Each after those it reads.</param>
    /// <param name="instead">Is asked first: true where it has dealt with the operator itself.</param>
    public void Through(IEnumerable<Op> ops, Func<Op, bool> instead)
    {
        foreach (var op in ops)
        {
            if (!instead(op) && op.In.Any(Has)) Again(op);
        }
    }

    /// <summary>Copies an operator, whether it reads a copy or not.</summary>
    /// <returns>The copies of its outputs.</returns>
    public Value[] Again(Op op)
    {
        var made = Of(op, [.. op.In.Select(v => v is null ? null : this[v])], prefix,
            prefix.Length > 0 ? null : name => op.Out.FirstOrDefault(v => v?.Name == name));
        for (var i = 0; i < made.Length; i++)
        {
            if (op.Out[i] is { } v) _copies[v] = made[i];
        }
        return made;
    }

    /// <summary>An operator once more, on other inputs.</summary>
    /// <param name="declared">What is known of an output beside what inference says; null: nothing.</param>
    /// <returns>Its outputs, each named as the original's with the prefix before it.</returns>
    public static Value[] Of(Op op, Value?[] inputs, string prefix, Func<string, Value?>? declared = null) =>
        GraphBuilder.Attach(new Op(op.Type, op.Domain, prefix + op.Name, inputs, op.Attributes),
            [.. op.Out.Select(v => v is null ? "" : prefix + v.Name)], declared);
}
