using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Dictionaries;

/// <summary>The product of rows and columns in 8 bits as a graph: <c>values = (rows − middle) columns</c>, in 32 bits.</summary>
internal static class CodeProduct
{
    /// <summary>Inputs, uint8 [rows, d], int8 [d, n] and uint8 []; the output, int32 [rows, n].</summary>
    public const string Rows = "rows", Columns = "columns", Middle = "middle", Values = "values";

    /// <param name="packed">The dictionary whose codes are a constant of the graph; null: they are an input.</param>
    public static OnnxGraph Graph(SparseDictionary? packed)
    {
        var g = new GraphBuilder("codes/");
        Dim t = Dim.Named("position"), d = Dim.Named("d"), n = Dim.Named("n");
        if (packed is not null) (d, n) = (Dim.Of(packed.Width), Dim.Of(packed.FeatureCount));
        var (rows, middle) = (g.Input(Rows, DataType.Uint8, [t, d]), g.Input(Middle, DataType.Uint8, []));
        var columns = packed?.Screen?.CodesEntry is { } entry
            ? g.Constant(Columns,
                Constants.External(DataType.Int8, entry.Shape.AsSpan(), EncoderScreenFile.FileName, entry.Offset, entry.Length))
            : g.Input(Columns, DataType.Int8, [d, n]);
        Value[] inputs = packed is null ? [rows, columns, middle] : [rows, middle];
        return new OnnxGraph(inputs, [g.Emit("MatMulInteger", [rows, columns, middle], [Values])[0]]);
    }
}
