using OnnxAttribution.Bundles;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using OnnxAttribution.Runtime;
using AttributeType = OnnxAttribution.Onnx.Proto.AttributeProto.Types.AttributeType;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Export;

/// <summary>A foreign graph to be run as it is, or with its numbers of 16 bits in float32.</summary>
internal sealed class ForeignOriginal : IDisposable
{
    private const string LinkFolder = ".data";

    private readonly AdoptionOptions _options;
    private readonly ModelProto _model;
    private readonly ForeignInputs _inputs;
    private readonly string _logits;
    private readonly string? _links;

    /// <param name="bundle">The bundle's directory, in which files that are links elsewhere have names for as long as this lives:
    /// the runtime follows no links out of a folder.</param>
    public ForeignOriginal(AdoptionOptions options, SiteMap map, string bundle)
    {
        (_options, _logits) = (options, map.Logits ?? "logits");
        _model = OnnxFile.Read(options.Onnx);
        new ForeignWeights(options.Onnx).TakeIn(_model);   // the runtime reads no shapes from files either
        _inputs = ForeignInputs.Of(_model, map, options.Onnx);
        // sites.json may name a tensor that is no output
        if (_model.Graph.Output.All(o => o.Name != _logits)) _model.Graph.Output.Add(new ValueInfoProto { Name = _logits });
        _links = Linked(bundle);
    }

    /// <summary>As it is.</summary>
    public Loaded AsItIs(RunContext context) => new(this, _model, context);

    /// <summary>In float32. Weights stay what they are and are converted when the session is made; single numbers are read as
    /// the bundle's are.</summary>
    public Loaded InFloat32(RunContext context)
    {
        var model = _model.Clone();
        // what a function or a branch computes in is of the types that it is given
        FunctionInlining.Apply(model);
        HalfPrecision.Widen(model, (t, near) => ConstantBytes.Entries(t) == 1 ? new HalfTensor(_options.Onnx, t).Whole(near) : null);
        return new Loaded(this, model, context);
    }

    public void Dispose()
    {
        if (_links is not null) Directory.Delete(_links, recursive: true);
    }

    private string? Linked(string bundle)
    {
        var files = NodeNames.ConstantsOf(_model).Where(Constants.IsExternal).Select(t => ExternalData.Of(_options.Onnx, t).Location)
            .Distinct().ToList();
        if (!files.Any(LeadsElsewhere)) return null;
        var folder = Path.Combine(bundle, LinkFolder);
        foreach (var file in files)
        {
            var to = Path.Combine(folder, file);
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            FileLink.Make(Path.Combine(_options.Folder, file), to);
        }
        return folder;
    }

    // the file, or a folder on the way to it
    private bool LeadsElsewhere(string location)
    {
        for (var path = location; !string.IsNullOrEmpty(path); path = Path.GetDirectoryName(path))
        {
            if (new FileInfo(Path.Combine(_options.Folder, path)).LinkTarget is not null) return true;
        }
        return false;
    }

    /// <summary>A session of the graph.</summary>
    internal sealed class Loaded : IDisposable
    {
        private readonly ForeignOriginal _original;
        private readonly ModelProto _model;
        private readonly GraphRunner _runner;
        private readonly string _output;

        /// <exception cref="BundleException">ONNX Runtime does not load it.</exception>
        public Loaded(ForeignOriginal original, ModelProto model, RunContext context)
        {
            _original = original;
            (_model, _output) = WithFloatLogits(model, original._logits);
            try
            {
                _runner = new GraphRunner(_model, context, original._links ?? original._options.Folder, prepack: false);
            }
            catch (Exception e) when (RuntimeFault.Is(e))
            {
                throw new BundleException($"{original._options.Onnx} cannot be loaded by ONNX Runtime {RunContext.RuntimeVersion} "
                    + $"({RuntimeFault.Words(e)}); export it again, with opset_version={OnnxGraph.Opset} or less", e);
            }
        }

        /// <summary>Logits of prompts without padding and without a past.</summary>
        /// <param name="tokens">[batch, position].</param>
        /// <returns>[batch, position, vocabulary].</returns>
        public float[] Logits(long[] tokens, int batch)
        {
            using var feed = ForeignFeed.Of(_model, _original._inputs, tokens, batch);
            using var result = _runner.Run(feed.Values, [_output]);
            return result.Copy(_output);
        }

        public void Dispose() => _runner.Dispose();

        private static (ModelProto Model, string Output) WithFloatLogits(ModelProto model, string logits)
        {
            var output = model.Graph.Output.First(o => o.Name == logits);
            if (output.Type?.TensorType is not { } type || !HalfPrecision.Is(type.ElemType)) return (model, logits);
            model = model.Clone();
            var name = NodeNames.Free(logits, NodeNames.Of(model.Graph));
            model.Graph.Node.Add(new NodeProto
            {
                OpType = "Cast",
                Name = name,
                Input = { logits },
                Output = { name },
                Attribute = { new AttributeProto { Name = "to", Type = AttributeType.Int, I = (long)DataType.Float } },
            });
            model.Graph.Output.Add(new ValueInfoProto { Name = name });
            return (model, name);
        }
    }
}
