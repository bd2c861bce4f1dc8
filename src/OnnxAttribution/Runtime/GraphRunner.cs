using System.Diagnostics;
using System.Numerics.Tensors;
using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Runtime;

/// <summary>A loaded graph. Owns its session; who makes a runner disposes it.</summary>
internal sealed class GraphRunner : IDisposable
{
    private readonly InferenceSession _session;
    private readonly RunContext _context;

    /// <param name="weightsFolder">Where the graph's external data lie: the bundle.</param>
    /// <param name="prepack">Let the runtime lay weights out anew for speed, at the price of a copy.</param>
    public GraphRunner(OnnxGraph graph, RunContext context, string? weightsFolder = null, bool prepack = true)
        : this(graph.ToProto(), context, weightsFolder, prepack)
    {
    }

    public GraphRunner(ModelProto model, RunContext context, string? weightsFolder = null, bool prepack = true)
    {
        context.Cancel.ThrowIfCancellationRequested();
        _context = context;
        var start = Stopwatch.GetTimestamp();
        using var options = context.Options(weightsFolder, prepack);
        _session = new InferenceSession(model.ToByteArray(), options);
        context.CountSession(Stopwatch.GetTimestamp() - start);
    }

    public IReadOnlyList<string> Inputs => _session.InputNames;

    public IReadOnlyList<string> Outputs => _session.OutputNames;

    /// <summary>Runs the graph once. The inputs stay the caller's; the outputs become the caller's.</summary>
    /// <param name="inputs">Every input without a default; names that the graph does not have are left out.</param>
    public RunResult Run(IReadOnlyDictionary<string, OrtValue> inputs, IReadOnlyList<string> outputs)
    {
        _context.Cancel.ThrowIfCancellationRequested();
        var names = _session.InputNames.Where(inputs.ContainsKey).ToArray();
        using var run = new RunOptions();
        using var registration = _context.Cancel.Register(() => run.Terminate = true);
        _context.CountCall();
        try
        {
            if (_context.Device == DeviceKind.Cpu)
            {
                return new RunResult(outputs, _session.Run(run, names, [.. names.Select(n => inputs[n])], [.. outputs]));
            }
            using var binding = _session.CreateIoBinding();
            // weights and everything between inputs and outputs stay on the device; what is asked for comes to the host
            foreach (var name in names) binding.BindInput(name, inputs[name]);
            foreach (var name in outputs) binding.BindOutputToDevice(name, OrtMemoryInfo.DefaultInstance);
            binding.SynchronizeBoundInputs();
            _session.RunWithBinding(run, binding);
            binding.SynchronizeBoundOutputs();
            return new RunResult(outputs, binding.GetOutputValues());
        }
        catch (OnnxRuntimeException) when (_context.Cancel.IsCancellationRequested)
        {
            throw new OperationCanceledException(_context.Cancel);
        }
    }

    public void Dispose() => _session.Dispose();
}
