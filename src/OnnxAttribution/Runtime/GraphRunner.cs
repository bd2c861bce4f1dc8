using System.Diagnostics;
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
    /// <param name="prepack">Let the runtime lay weights out anew for speed,
    /// at the price of a copy, and of more time than a few runs win back.</param>
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
        _session = RuntimeShortage.Told(() => new InferenceSession(model.ToByteArray(), options));
        context.CountSession(Stopwatch.GetTimestamp() - start);
    }

    /// <summary>Memory that a run took goes back to the system when it ends, but for what it yields. Else the session keeps it for the
    /// next run, which is quicker; but many sessions that take much one after the other would keep it all.</summary>
    public bool ReturnsMemory { get; set; }

    public IReadOnlyList<string> Inputs => _session.InputNames;

    public IReadOnlyList<string> Outputs => _session.OutputNames;

    /// <summary>Runs the graph once. The inputs stay the caller's; the outputs become the caller's.</summary>
    /// <param name="inputs">Every input without a default; names that the graph does not have are left out.</param>
    public RunResult Run(IReadOnlyDictionary<string, OrtValue> inputs, IReadOnlyList<string> outputs)
    {
        var names = Present(inputs);
        return Guarded(run =>
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
        });
    }

    /// <summary>Runs the graph once, on the host, with its output in the caller's memory: the session keeps none for it.</summary>
    /// <param name="inputs">As in the other way to run.</param>
    /// <param name="output">Its name.</param>
    /// <param name="to">Of its type.</param>
    /// <param name="shape">Its shape, as large as <paramref name="to"/>.</param>
    public void Run<T>(IReadOnlyDictionary<string, OrtValue> inputs, string output, Memory<T> to, ReadOnlySpan<long> shape)
        where T : unmanaged
    {
        var names = Present(inputs);
        using var value = OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, to, shape.ToArray());
        Guarded(run =>
        {
            _session.Run(run, names, [.. names.Select(n => inputs[n])], [output], [value]);
            return true;
        });
    }

    /// <summary>Runs the graph once and leaves its outputs where it ran,
    /// so that the next graph takes them from there. They become the caller's.</summary>
    /// <inheritdoc cref="Run" path="/param"/>
    public DeviceTensor[] RunOnDevice(IReadOnlyDictionary<string, OrtValue> inputs, IReadOnlyList<string> outputs)
    {
        var names = Present(inputs);
        return Guarded(run =>
        {
            if (_context.Device == DeviceKind.Cpu)
            {
                return Kept(_session.Run(run, names, [.. names.Select(n => inputs[n])], [.. outputs]));
            }
            using var binding = _session.CreateIoBinding();
            using var memory = new OrtMemoryInfo(OrtMemoryInfo.allocatorCUDA, OrtAllocatorType.DeviceAllocator, 0, OrtMemType.Default);
            foreach (var name in names) binding.BindInput(name, inputs[name]);
            foreach (var name in outputs) binding.BindOutputToDevice(name, memory);
            binding.SynchronizeBoundInputs();
            _session.RunWithBinding(run, binding);
            binding.SynchronizeBoundOutputs();
            return Kept(binding.GetOutputValues());
        });
    }

    public void Dispose() => _session.Dispose();

    // the collection would dispose its values; these live on
    private DeviceTensor[] Kept(IReadOnlyCollection<OrtValue> values) => [.. values.Select(v => DeviceTensor.FromRun(v, _context.Device))];

    // inputs that have a default, such as a site's intervention, come apart
    private string[] Present(IReadOnlyDictionary<string, OrtValue> inputs) =>
        [.. _session.InputNames.Concat(_session.OverridableInitializerMetadata.Keys).Where(inputs.ContainsKey)];

    private T Guarded<T>(Func<RunOptions, T> execute)
    {
        _context.Cancel.ThrowIfCancellationRequested();
        using var run = new RunOptions();
        if (ReturnsMemory && _context.Device == DeviceKind.Cpu) run.AddRunConfigEntry("memory.enable_memory_arena_shrinkage", "cpu:0");
        using var registration = _context.Cancel.Register(() => run.Terminate = true);
        _context.CountCall();
        try
        {
            return RuntimeShortage.Told(() => execute(run));
        }
        catch (Exception e) when (e is OnnxRuntimeException or RuntimeShortage && _context.Cancel.IsCancellationRequested)
        {
            throw new OperationCanceledException(_context.Cancel);
        }
    }
}
