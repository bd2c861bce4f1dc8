using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Tests.Reference;

/// <summary>A graph run by ONNX Runtime in float32 on the CPU, its results widened to double.</summary>
internal static class Float32Run
{
    /// <summary>All outputs of the model by name.</summary>
    /// <param name="inputs">By name; those the model does not read are left out.</param>
    public static IReadOnlyDictionary<string, DoubleTensor> Run(
        ModelProto model, IReadOnlyDictionary<string, DoubleTensor> inputs,
        GraphOptimizationLevel optimization = GraphOptimizationLevel.ORT_ENABLE_ALL)
    {
        using var options = new SessionOptions
        {
            GraphOptimizationLevel = optimization,
            IntraOpNumThreads = 1,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        using var session = new InferenceSession(model.ToByteArray(), options);
        using var run = new RunOptions();
        string[] names = [.. session.InputMetadata.Keys];
        string[] yields = [.. session.OutputMetadata.Keys];
        OrtValue[] values = [.. names.Select(name => ToValue(inputs[name]))];
        try
        {
            using var outputs = session.Run(run, names, values, yields);
            return yields.Zip(outputs).ToDictionary(pair => pair.First, pair => ToTensor(pair.Second));
        }
        finally
        {
            foreach (var value in values) value.Dispose();
        }
    }

    private static OrtValue ToValue(DoubleTensor x)
    {
        long[] shape = [.. x.Shape.Select(size => (long)size)];
        return x.IsInteger ? OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(x.Data, a => (long)a), shape)
            : OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(x.Data, a => (float)a), shape);
    }

    private static DoubleTensor ToTensor(OrtValue z) => new(
        [.. z.GetTensorTypeAndShape().Shape.Select(size => (int)size)],
        Array.ConvertAll(z.GetTensorDataAsSpan<float>().ToArray(), x => (double)x));
}
