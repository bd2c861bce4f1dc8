using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Onnx;

/// <summary>One operator of a graph with what it reads and yields.</summary>
internal sealed class Op(string type, string domain, string name, IReadOnlyList<Value?> inputs,
    IReadOnlyDictionary<string, AttributeProto> attributes)
{
    private Value?[] _out = [];

    public string Type { get; } = type;
    public string Domain { get; } = domain;
    public string Name { get; } = name;

    /// <summary>In the operator's order; null where an optional input is left out.</summary>
    public IReadOnlyList<Value?> In { get; } = inputs;
    public IReadOnlyList<Value?> Out => _out;
    public IReadOnlyDictionary<string, AttributeProto> Attributes { get; } = attributes;

    internal void Yields(Value?[] outputs) => _out = outputs;

    public long Int(string name, long otherwise) => Attributes.TryGetValue(name, out var a) ? a.I : otherwise;

    public float Float(string name, float otherwise) => Attributes.TryGetValue(name, out var a) ? a.F : otherwise;

    public string Text(string name, string otherwise) => Attributes.TryGetValue(name, out var a) ? a.S.ToStringUtf8() : otherwise;

    public long[]? Ints(string name) => Attributes.TryGetValue(name, out var a) ? [.. a.Ints] : null;

    /// <summary>Whether integers given as an attribute or input are there at all, constant or not.</summary>
    public bool Has(string attribute, int input) => Attributes.ContainsKey(attribute) || (input < In.Count && In[input] is not null);

    /// <summary>What is computed from the operator. One without the inputs,
    /// attributes or sizes that it needs comes out of a file: its error names it.</summary>
    /// <exception cref="GraphException">It is such an operator, or what is computed says what is wrong.</exception>
    public T Sound<T>(Func<T> compute)
    {
        try
        {
            return compute();
        }
        catch (Exception e) when (e is NullReferenceException or IndexOutOfRangeException or ArgumentException or InvalidOperationException
            or KeyNotFoundException or OverflowException)
        {
            throw new GraphException(
                $"{this} lacks an input or attribute that it needs, or its sizes do not fit each other; export the model again", e);
        }
    }

    /// <summary>A name for a message: a file may hold one of any length.</summary>
    internal static string Short(string name) => name.Length <= 200 ? name : $"{name[..200]}…";

    public override string ToString() =>
        $"{Short(Type)} '{Short(Name.Length > 0 ? Name : Out.FirstOrDefault(v => v is not null)?.Name ?? "")}'";
}
