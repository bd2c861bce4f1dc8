using Google.Protobuf.Collections;
using OnnxAttribution.Onnx.Proto;
using AttributeType = OnnxAttribution.Onnx.Proto.AttributeProto.Types.AttributeType;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Onnx;

/// <summary>Graphs of float16 and bfloat16 numbers, computed in float32 instead: every number of 16 bits is one of 32.</summary>
internal static class HalfPrecision
{
    // x + 0.044715 x³, scaled, then Tanh: the longest
    private const int FarthestOfFormula = 5;

    // attributes that name a type
    private static readonly string[] s_types = ["to", "dtype", "stash_type", "softmax_precision"];

    /// <returns>Whether a type is of 16 bits.</returns>
    public static bool Is(int type) => (DataType)type is DataType.Float16 or DataType.Bfloat16;

    /// <summary>Changes all types of a graph without functions.</summary>
    /// <param name="widened">The float32 tensor for one of 16 bits, and whether an activation function reads it as
    /// <see cref="NearActivation"/> has it; null: it stays, and is converted whenever the graph runs.</param>
    /// <returns>float16 or bfloat16 and how many weights were of it; empty where the graph has neither.</returns>
    public static IReadOnlyDictionary<string, int> Widen(ModelProto model, Func<TensorProto, bool, TensorProto?> widened)
    {
        var found = new SortedDictionary<string, int>(StringComparer.Ordinal);
        Widen(model.Graph, widened, found);
        return found;
    }

    private static void Widen(GraphProto graph, Func<TensorProto, bool, TensorProto?> widened, SortedDictionary<string, int> found)
    {
        var (names, near) = (NodeNames.Of(graph), NearActivation(graph));
        foreach (var t in graph.Initializer.Where(t => Is(t.DataType)).ToList())
        {
            Found(found, t.DataType, t);
            var at = graph.Initializer.IndexOf(t);
            var name = t.Name;
            if (widened(t, near.Contains(name)) is { } wide)
            {
                wide.Name = name;
                graph.Initializer[at] = wide;
                continue;
            }
            t.Name = NodeNames.Free($"{name}/half", names);
            graph.Node.Insert(0, Converted(t.Name, name));
        }
        foreach (var info in graph.Input.Concat(graph.Output).Concat(graph.ValueInfo))
        {
            if (info.Type?.TensorType is not { } type || !Is(type.ElemType)) continue;
            Found(found, type.ElemType, null);
            type.ElemType = (int)DataType.Float;
        }
        Widen(graph.Node, (widened, near), found, names);
    }

    /// <summary>Values from which few steps lead to Erf, Tanh or Sigmoid: what scales a number before one of them, as the formulas of GELU
    /// do.</summary>
    internal static HashSet<string> NearActivation(GraphProto graph)
    {
        var made = new Dictionary<string, NodeProto>();
        foreach (var node in graph.Node)
        {
            foreach (var output in node.Output) made[output] = node;
        }
        var near = new HashSet<string>();
        var next = graph.Node.Where(n => n.OpType is "Erf" or "Tanh" or "Sigmoid").SelectMany(n => n.Input).ToList();
        for (var step = 0; step < FarthestOfFormula; step++)
        {
            next = [.. next.Where(n => n.Length > 0 && near.Add(n)).Select(made.GetValueOrDefault)
                .Where(n => n?.OpType is "Mul" or "Div" or "Add" or "Cast" or "Identity").SelectMany(n => n!.Input)];
        }
        return near;
    }

    private static void Widen(RepeatedField<NodeProto> nodes, (Func<TensorProto, bool, TensorProto?> Of, HashSet<string> Near) widened,
        SortedDictionary<string, int> found, HashSet<string> names)
    {
        var given = nodes.ToList();
        nodes.Clear();
        foreach (var node in given)
        {
            nodes.Add(node);
            foreach (var a in node.Attribute)
            {
                foreach (var inner in a.G is null ? a.Graphs : (IEnumerable<GraphProto>)[a.G, .. a.Graphs]) Widen(inner, widened.Of, found);
                if (a.Type == AttributeType.Int && a.I is >= 0 and < int.MaxValue && Is((int)a.I) && s_types.Contains(a.Name))
                {
                    Found(found, (int)a.I, null);
                    a.I = (long)DataType.Float;
                }
                if (a.T is not { } t || !Is(t.DataType)) continue;
                Found(found, t.DataType, t);
                if (widened.Of(t, node.Output.Any(widened.Near.Contains)) is { } wide)
                {
                    a.T = wide;
                    continue;
                }
                var name = node.Output[0];
                node.Output[0] = NodeNames.Free($"{name}/half", names);
                nodes.Add(Converted(node.Output[0], name));
            }
        }
    }

    private static NodeProto Converted(string from, string to) => new()
    {
        OpType = "Cast",
        Name = to,
        Input = { from },
        Output = { to },
        Attribute = { new AttributeProto { Name = "to", Type = AttributeType.Int, I = (long)DataType.Float } },
    };

    // a weight is more than one number
    private static void Found(SortedDictionary<string, int> found, int type, TensorProto? t)
    {
        var name = (DataType)type == DataType.Float16 ? "float16" : "bfloat16";
        found[name] = found.GetValueOrDefault(name) + (t is not null && t.Dims.Any(d => d > 1) ? 1 : 0);
    }
}
