using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Onnx;

/// <summary>Which constants of a graph in half precision are of an activation's formula.</summary>
public class HalfPrecisionTests
{
    [Fact]
    public void Numbers_before_an_activation_are_of_its_formula_and_a_learned_scale_is_not()
    {
        var graph = new GraphProto
        {
            Node =
            {
                // GELU by tanh
                Node("Mul", "cubed", "x3", "0.044715"), Node("Add", "sum", "x", "cubed"), Node("Mul", "inner", "sum", "0.797"),
                Node("Tanh", "tanh", "inner"), Node("Mul", "gelu", "x", "tanh"),
                // and by erf
                Node("Div", "over", "y", "1.414"), Node("Erf", "erf", "over"),
                Node("Mul", "scaled", "gelu", "learned"), Node("MatMul", "logits", "scaled", "W_U"),
            }
        };
        var near = HalfPrecision.NearActivation(graph);
        Assert.Superset(new HashSet<string> { "0.044715", "0.797", "1.414" }, near);
        Assert.DoesNotContain("learned", near);
        Assert.DoesNotContain("W_U", near);
    }

    [Fact]
    public void A_scale_that_rounds_as_a_constant_of_gelu_stays_what_it_is()
    {
        var given = new List<bool>();
        var model = new ModelProto
        {
            Graph = new GraphProto
            {
                Initializer = { Half("learned"), Half("of gelu") },
                Node = { Node("Mul", "a", "x", "of gelu"), Node("Sigmoid", "b", "a"), Node("Mul", "c", "b", "learned") }
            }
        };
        HalfPrecision.Widen(model, (t, near) =>
        {
            given.Add(near);
            return null;
        });
        Assert.Equal([false, true], given);
    }

    private static TensorProto Half(string name) => new() { Name = name, DataType = (int)DataType.Bfloat16, Int32Data = { 0x3FDA } };

    private static NodeProto Node(string type, string output, params string[] inputs) =>
        new() { OpType = type, Output = { output }, Input = { inputs } };
}
