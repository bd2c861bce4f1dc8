using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Export;

/// <summary>What a foreign graph itself is given for prompts without padding and without a past.</summary>
internal static class ForeignFeed
{
    /// <param name="tokens">[batch, position].</param>
    public static Feed Of(ModelProto model, ForeignInputs inputs, long[] tokens, int batch)
    {
        var constants = model.Graph.Initializer.Select(t => t.Name).ToHashSet();
        var length = tokens.Length / batch;
        var feed = new Feed();
        foreach (var input in model.Graph.Input.Where(i => !constants.Contains(i.Name)))
        {
            var type = input.Type?.TensorType;
            if (inputs.Of(input.Name) == ForeignInput.Past)
            {
                feed.AddEmpty(input.Name, (DataType)type!.ElemType,
                    Array.ConvertAll(inputs.PastOf(input).Sizes, n => n < 0 ? batch : n));
                continue;
            }
            Func<int, long> entry = inputs.Of(input.Name) switch
            {
                ForeignInput.Ones => _ => 1,
                ForeignInput.Positions => i => i % length,
                ForeignInput.Zeros or ForeignInput.HasPast => _ => 0,
                _ => i => tokens[i],
            };
            long[] shape = inputs.Of(input.Name) == ForeignInput.HasPast ? [.. (type?.Shape?.Dim ?? []).Select(_ => 1L)]
                : type?.Shape?.Dim.Count == 1 ? [length]
                : [batch, length];
            long[] values = [.. Enumerable.Range(0, (int)shape.Aggregate(1L, (n, d) => n * d)).Select(entry)];
            switch ((DataType)(type?.ElemType ?? 0))
            {
                case DataType.Int32: feed.Add(input.Name, Array.ConvertAll(values, v => (int)v), shape); break;
                case DataType.Float: feed.Add(input.Name, Array.ConvertAll(values, v => (float)v), shape); break;
                case DataType.Float16 or DataType.Bfloat16:
                    feed.AddHalf(input.Name, Array.ConvertAll(values, v => (float)v), (DataType)type!.ElemType, shape);
                    break;
                case DataType.Bool: feed.Add(input.Name, Array.ConvertAll(values, v => v != 0), shape); break;
                default: feed.Add(input.Name, values, shape); break;
            }
        }
        return feed;
    }
}
