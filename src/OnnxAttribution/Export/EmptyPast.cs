using System.Text.RegularExpressions;
using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Export;

/// <summary>An input for keys or values of earlier tokens, as it is where there are none.</summary>
/// <param name="Sizes">Of its axes: 0 for the tokens, −1 for the batch.</param>
/// <param name="Axis">That of the tokens.</param>
internal sealed partial record EmptyPast(long[] Sizes, int Axis)
{
    public const string Without =
        "export the model without a cache (use_cache=False; optimum's task text-generation, not -with-past)";

    /// <summary>The names that optimum, PyTorch and ONNX Runtime give such inputs: past_key_values.0.key, past_key_0, past_0.</summary>
    // a past's length is a number of tokens
    public static bool IsNamed(string input) => Name().IsMatch(input) && !input.Contains("len", StringComparison.Ordinal);

    /// <param name="input">Its axes, of which the tokens' is open.</param>
    /// <param name="tokens">The token ids, [batch, position].</param>
    /// <returns>Null where the file says nothing of its shape.</returns>
    /// <exception cref="BundleException">It belongs to an encoder, is of integers, or has room for a fixed number of tokens.</exception>
    public static EmptyPast? TryOf(string file, ValueInfoProto input, ValueInfoProto tokens)
    {
        if (input.Type?.TensorType is not { Shape: { } shape } type) return null;
        BundleException Refused(string why) => new($"{file}: the input '{input.Name}' of shape {Text(shape)} {why}; {Without}");
        if (Encoder().IsMatch(input.Name)) throw Refused("holds what an encoder made, which no prompt has");
        if ((DataType)type.ElemType is not (DataType.Float or DataType.Float16 or DataType.Bfloat16 or DataType.Double))
        {
            throw Refused($"is {(DataType)type.ElemType} where keys or values of earlier tokens are expected");
        }
        var sizes = shape.Dim.Select(d => IsOpen(d) ? -1 : d.DimValue).ToArray();
        if (Array.IndexOf(sizes, 0) is >= 0 and var empty) return new EmptyPast(sizes, empty);
        var batch = BatchAxis(shape, tokens.Type?.TensorType?.Shape?.Dim.FirstOrDefault()?.DimParam);
        var open = Enumerable.Range(0, sizes.Length).Where(i => sizes[i] < 0 && i != batch).ToList();
        if (open.Count == 0) throw Refused("has room for a fixed number of earlier tokens, and is not empty without them");
        var named = open.Where(i => shape.Dim[i].DimParam.Contains("past", StringComparison.OrdinalIgnoreCase)).ToList();
        var axis = open.Count == 1 ? open[0] : named.Count == 1 ? named[0] : sizes.Length - 2;
        if (open.Any(i => i != axis)) throw Refused("leaves open how many heads it has, and how wide they are");
        sizes[axis] = 0;
        return new EmptyPast(sizes, axis);
    }

    /// <summary>A tensor of <see cref="Sizes"/>, with the batch of the tokens.</summary>
    public Value Made(GraphBuilder g, Value tokens, string name)
    {
        var batch = Array.IndexOf(Sizes, -1);
        var constant = Constants.Of(ReadOnlySpan<float>.Empty, [.. Sizes.Select(n => Math.Abs(n))]);
        var empty = g.Constant(name, constant);
        if (batch < 0) return g.Identity(empty, $"{name}/past");
        Value[] before = batch == 0 ? [] : [g.Ints([.. Enumerable.Repeat(1L, batch)])];
        var behind = g.Ints([.. Enumerable.Repeat(1L, Sizes.Length - batch - 1)]);
        return g.Expand(empty, g.Concat(0, [.. before, g.Shape(tokens, 0, 1), behind]));
    }

    // the one that is named as the tokens' is; else the first, behind keys and values in one tensor
    private static int BatchAxis(TensorShapeProto shape, string? batch)
    {
        var named = batch is { Length: > 0 } ? shape.Dim.ToList().FindIndex(d => d.DimParam == batch) : -1;
        return named >= 0 ? named : shape.Dim.Count > 4 ? 1 : 0;
    }

    private static bool IsOpen(TensorShapeProto.Types.Dimension d) =>
        d.ValueCase != TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue || d.DimValue < 0;

    private static string Text(TensorShapeProto shape)
    {
        string Axis(TensorShapeProto.Types.Dimension d) =>
            !IsOpen(d) ? $"{d.DimValue}" : d.DimParam.Length > 0 ? Op.Short(d.DimParam) : "?";
        return $"[{string.Join(", ", shape.Dim.Take(8).Select(Axis))}]";
    }

    [GeneratedRegex(@"^past(_key_values?|_keys?|_values?)?([._/][A-Za-z0-9_./]*)?$")]
    private static partial Regex Name();

    [GeneratedRegex(@"encoder|cross")]
    private static partial Regex Encoder();
}
