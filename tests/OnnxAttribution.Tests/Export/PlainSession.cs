using Microsoft.ML.OnnxRuntime;

namespace OnnxAttribution.Tests.Export;

/// <summary>model.onnx opened by path in ONNX Runtime as anyone would, with nothing of the program in between.</summary>
internal sealed class PlainSession : IDisposable
{
    private readonly InferenceSession _session;

    public PlainSession(string bundle)
    {
        using var options = new SessionOptions { IntraOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        _session = new InferenceSession(Path.Combine(bundle, "model.onnx"), options);
    }

    public IReadOnlyList<string> Inputs => _session.InputNames;
    public IReadOnlyList<string> Outputs => _session.OutputNames;

    /// <summary>Runs one prompt, or a batch of prompts of one length, and gives every output or the ones asked for.</summary>
    public Dictionary<string, (long[] Shape, float[] Values)> Run(
        IReadOnlyList<int> tokens, IReadOnlyDictionary<string, (long[] Shape, float[] Values)>? feeds = null, int batch = 1,
        params string[] outputs)
    {
        var asked = outputs.Length == 0 ? [.. Outputs] : outputs;
        var values = new Dictionary<string, OrtValue>
        {
            ["tokens"] = OrtValue.CreateTensorValueFromMemory(tokens.Select(t => (long)t).ToArray(), [batch, tokens.Count / batch])
        };
        foreach (var (name, (shape, data)) in feeds ?? new Dictionary<string, (long[], float[])>())
        {
            values[name] = OrtValue.CreateTensorValueFromMemory(data, shape);
        }
        try
        {
            using var run = new RunOptions();
            using var results = _session.Run(run, values, asked);
            return asked.Zip(results)
                .ToDictionary(p => p.First, p => (p.Second.GetTensorTypeAndShape().Shape, p.Second.GetTensorDataAsSpan<float>().ToArray()));
        }
        finally
        {
            foreach (var v in values.Values) v.Dispose();
        }
    }

    public float[] Logits(IReadOnlyList<int> tokens) => Run(tokens, null, 1, "logits")["logits"].Values;

    /// <summary>A scale or shift that stands for a whole site, [1, T, d] or [1, 1, d].</summary>
    public static (long[] Shape, float[] Values) Broadcast(double[] values, int width) =>
        ([1, values.Length / width, width], Array.ConvertAll(values, v => (float)v));

    public void Dispose() => _session.Dispose();
}
