using Microsoft.ML.OnnxRuntime;

namespace OnnxAttribution.Runtime;

/// <summary>What ONNX Runtime says of a graph that it does not load or run.</summary>
internal static class RuntimeFault
{
    public static bool Is(Exception e) => e is OnnxRuntimeException;

    /// <summary>Its words on one line, without a full stop.</summary>
    public static string Words(Exception e) => e.Message.ReplaceLineEndings(" ").TrimEnd('.');
}
