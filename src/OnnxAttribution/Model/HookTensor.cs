using OnnxAttribution.Onnx;

namespace OnnxAttribution.Model;

/// <summary>A tensor of the model that a pass can change, with its axes, whatever their order: of each head, where it has heads, a vector
/// per position.</summary>
/// <param name="Name">TransformerLens hook name.</param>
/// <param name="Value">What the model goes on with: the tensor of that name, or the one that the name stands for.</param>
/// <param name="Heads">How many heads it has; 1 where it has none.</param>
internal sealed record HookTensor(string Name, Value Value, int Heads)
{
    /// <summary>It has an axis of heads, or its vectors are those of all heads side by side.</summary>
    public bool HasHeads { get; init; }

    /// <summary>Heads come before positions, as in <c>hook_pattern</c>.</summary>
    public bool IsHeadFirst { get; init; }

    /// <summary>Of one head's vector; null: as long as the prompt.</summary>
    public int? Width { get; init; }

    /// <summary>Its index among the bundle's sites; null where it is none.</summary>
    public int? Site { get; init; }

    /// <summary>The axes of one row as the graph has them, in numbers.</summary>
    public required Func<int, long[]> Shape { get; init; }

    /// <summary>Numbers of one vector.</summary>
    public int WidthOf(int positions) => Width ?? positions;

    /// <summary>Numbers of one row.</summary>
    public int Size(int positions) => Heads * positions * WidthOf(positions);

    /// <summary>Where the vectors of a head, or all heads, at a position, or all positions, begin in a row.</summary>
    public IEnumerable<int> Offsets(int positions, int? head, int? position)
    {
        var width = WidthOf(positions);
        for (var h = head ?? 0; h <= (head ?? Heads - 1); h++)
        {
            for (var t = position ?? 0; t <= (position ?? positions - 1); t++)
            {
                yield return width * (IsHeadFirst ? (h * positions) + t : (t * Heads) + h);
            }
        }
    }

    /// <summary>The axes, for messages: <c>[head, query, key]</c>.</summary>
    public string Axes => !HasHeads ? $"[position, {Width}]"
        : IsHeadFirst ? $"[{Heads} heads, position, {(Width is { } w ? w : "key")}]"
        : $"[position, {Heads} heads, {Width}]";
}
