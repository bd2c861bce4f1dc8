using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;
using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Export;

// which tensor holds the logits, and that they are there for every position
internal sealed partial class ForeignGraph
{
    private Value LogitsOutput()
    {
        var name = _map.Logits ?? "logits";
        return _original.Outputs.FirstOrDefault(o => o.Name == name)
            ?? (_map.Logits is not null && _original.Values.TryGetValue(name, out var v) ? v : null)
            ?? throw new BundleException($"{_file} has no output '{name}'; its outputs are "
                + $"{string.Join(", ", _original.Outputs.Select(o => o.Name).Take(8))}: "
                + $"say in {_map.Path} which holds the logits: \"logits\": \"NAME\"");
    }

    private int Vocabulary(Value logits)
    {
        var made = Mapped(logits);
        if (made.Type != DataType.Float)
        {
            throw new BundleException($"{_file}: the logits '{logits.Name}' are {made.Type}{Origin(made)}; {InSinglePrecision}");
        }
        if (made.Shape is [{ Symbol: "batch" }, { Symbol: "position" }, { Size: { } vocabulary }]) return (int)vocabulary;
        throw new BundleException($"{_file}: the logits '{logits.Name}' have shape {ShapeText(made.Shape)} where [batch, position, "
            + "vocabulary] is expected: "
            + (made.Shape is [{ Symbol: "batch" }, { Size: not null }] or [{ Symbol: "batch" }, { Size: 1 }, _]
                ? OnePositionFix(logits)
                : DynamicFix));
    }

    private const string DynamicFix = "export it with both axes of the tokens dynamic (dynamic_axes, or dynamic_shapes with dynamo)";

    // where the last position was picked out of all logits, these are still there
    private string OnePositionFix(Value logits)
    {
        var v = logits;
        while (v.Producer is { Type: "Identity" or "Slice" or "Gather" or "Squeeze" or "Reshape" } op)
        {
            v = op.In[0]!;
            if (Mapped(v).Shape is [{ Symbol: "batch" }, { Symbol: "position" }, { Size: not null }])
            {
                return $"they are of one position; write \"logits\": \"{v.Name}\" in {_map.Path}, the tensor that has all of them";
            }
        }
        return "they are of one position; export the model with the logits of all positions (logits_to_keep=0, and no [:, -1])";
    }
}
