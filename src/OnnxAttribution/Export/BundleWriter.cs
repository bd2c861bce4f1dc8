using Google.Protobuf;
using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Export;

/// <summary>
/// Makes a bundle of a checkpoint and its dictionaries.
/// 1. Everything is opened and checked: shapes against config.json, dictionaries against sites, all weights finite.
/// 2. Weights that processing changes, and those of another type than float32, are written to processed.safetensors;
///    all others stay in the checkpoint's file (linked into the bundle, not copied).
/// 3. The hooked graph refers to them by file, offset and length.
///    All is written aside, and a bundle that is there is replaced when the new one is whole (<see cref="BundleOutput"/>).
/// </summary>
internal static class BundleWriter
{
    /// <param name="say">Told what the user should know of the dictionaries: what was passed over, and what their files do not say.</param>
    public static BundleManifest Write(ExportOptions options, CancellationToken cancel = default, Action<string>? say = null)
    {
        // however the directory is spelled
        if (RealPath.Of(options.Out) == RealPath.Of(options.Checkpoint)) options = options with { Out = options.Checkpoint };
        var architecture = Architectures.Read(options.Checkpoint);
        using var checkpoint = Checkpoint.Open(options.Checkpoint, architecture.Layout);
        using var dictionaries = BundleDictionaries.Open(options, DictionaryFit.Of(architecture), say);
        options = ImpliedProcessing.Of(options, dictionaries.Configs, architecture.LastNorm.IsRms, architecture.LogitCap is not null);
        dictionaries.SayWhatIsUnsaid(options,
            hasValueBiases: !architecture.LastNorm.IsRms || architecture.Blocks.Any(b => b.Attention.Heads.Values.HasBias), say);
        var processing = new WeightProcessing(architecture, checkpoint, options);
        var inPlace = options.Out == options.Checkpoint;
        var checkedFiles = BundleFiles.Check([.. checkpoint.Checks(), .. dictionaries.Checks(options.Out, inPlace)],
            options.Parallelism, cancel);
        BundleOutput.Require(options.Out, options.Force, inPlace);
        if (inPlace)
        {
            foreach (var path in checkpoint.Paths) RequireNoLink(path);
        }
        return BundleOutput.Write(options.Out, options.Force, inPlace, output =>
        {
            if (!inPlace) Bring(options.Checkpoint, output, [.. BundleFiles.Companions, .. checkpoint.FileNames]);
            dictionaries.Bring(output, options.Out, inPlace, cancel);
            if (options.Screens) dictionaries.WriteScreens(output, options.Out, inPlace, (options.Parallelism, cancel));
            var processed = processing.Tensors() is { Count: > 0 } made ? Processed(output, made, cancel) : null;
            var further = FurtherSites(options, architecture, dictionaries);
            var manifest = WriteGraph(options, output, processing, processed, further);
            string[] weights = [.. checkpoint.FileNames, .. processed is null ? Array.Empty<string>() : [processed]];
            var records = dictionaries.Records(options.Out, manifest.Sites, inPlace);
            return manifest with
            {
                FormatVersion = dictionaries.HasTranscoders ? BundleManifest.CurrentVersion : BundleManifest.WithoutTranscoders,
                Dictionaries = records,
                Files = BundleFiles.Records(output.Find, FilesOf(output, weights, records), checkedFiles, options.Parallelism, cancel),
            };
        }, cancel);
    }

    // model.onnx, and what is said of it; files and dictionaries are still missing in the manifest
    private static BundleManifest WriteGraph(
        ExportOptions options, BundleOutput output, WeightProcessing processing, string? processed, HashSet<string> further)
    {
        var names = processing.Tensors().Select(t => t.Name).ToHashSet();
        using var file = processed is null ? null : SafetensorsFile.Open(Path.Combine(output.Aside, processed));
        TensorProto Weight(string name)
        {
            if (names.Contains(name)) return External(file!.Tensors[name], processed!);
            var (entry, weights) = processing.Checkpoint.Tensor(name);
            return External(entry, weights);
        }
        var shape = processing.Architecture.Shape;
        var builder = new HookedGraphBuilder(Weight, further, names, options.FoldLayerNorm);
        var graph = builder.Build(processing.Architecture.Logits(builder),
            new Dictionary<string, string> { ["onnx-attribution.architecture"] = shape.ModelType });
        OutputFile.Write(Path.Combine(output.Aside, BundleManifest.GraphFileName), s => graph.ToProto().WriteTo(s));
        return new BundleManifest
        {
            FormatVersion = BundleManifest.WithoutTranscoders,
            Name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(options.Out))),
            Architecture = shape.ModelType,
            NLayers = shape.Layers,
            DModel = shape.Width,
            NHeads = shape.Heads,
            DVocab = shape.VocabularySize,
            NCtx = shape.Positions,
            WeightProcessing = new(options.FoldLayerNorm, options.CenterWritingWeights, options.CenterUnembed, options.FoldValueBiases),
            Sites = builder.Sites,
            Hooks = builder.Hooks,
            Dictionaries = [],
            Files = new Dictionary<string, BundleManifest.FileRecord>(),
        };
    }

    // hooks that every bundle can read, and that are sites only where they are wanted
    private static HashSet<string> FurtherSites(ExportOptions options, ModelArchitecture architecture, BundleDictionaries dictionaries)
    {
        var wanted = options.FurtherSites.ToHashSet();
        if (architecture.IsParallel && wanted.Contains(SiteKind.ResidMid))
        {
            throw new BundleException($"{options.Checkpoint} is a {architecture.Shape.ModelType} whose attention and MLP run in parallel: "
                + "there is no residual stream between them; leave out resid_mid");
        }
        string[] tokens = dictionaries.HasTranscoders ? [Site.Embedding] : [];
        return [.. dictionaries.Sites, .. tokens, .. architecture.SiteNames.Where(name => wanted.Contains(Site.Parse(name).Kind))];
    }

    // returns its name in the bundle
    private static string Processed(BundleOutput output, IReadOnlyList<WeightProcessing.Tensor> made, CancellationToken cancel)
    {
        SafetensorsWriter.Write(Path.Combine(output.Aside, BundleManifest.ProcessedFileName),
            made.Select(t => SafetensorsTensor.F32(t.Name, t.Shape, () =>
            {
                cancel.ThrowIfCancellationRequested();
                return t.Make();
            })));
        return output.Settle(BundleManifest.ProcessedFileName);
    }

    private static TensorProto External(TensorEntry t, string file) => Constants.External(
        t.Type switch
        {
            TensorType.F32 => DataType.Float,
            TensorType.F16 => DataType.Float16,
            TensorType.BF16 => DataType.Bfloat16,
            TensorType.F64 => DataType.Double,
            _ => throw new BundleException($"tensor '{t.Name}' has type {t.Type}; weights are F32, F16, BF16 or F64"),
        }, [.. t.Shape], file, t.Offset, t.Length);

    // ONNX Runtime does not follow external data out of the model's directory
    private static void RequireNoLink(string weights)
    {
        if (File.ResolveLinkTarget(weights, returnFinalTarget: true) is { } target)
        {
            throw new BundleException(
                $"{weights} is a link to {target.FullName}, which ONNX Runtime would not follow; write to another directory")
            {
                Settings = [Setting.Out]
            };
        }
    }

    // links: the weights are not copied where the file system can help it
    private static void Bring(string checkpoint, BundleOutput output, IEnumerable<string> names)
    {
        foreach (var name in names)
        {
            var from = Path.Combine(checkpoint, name);
            if (File.Exists(from)) FileLink.Make(from, Path.Combine(output.Aside, name));
        }
    }

    private static List<string> FilesOf(BundleOutput output, string[] weights, IReadOnlyList<BundleManifest.DictionaryRecord> records)
    {
        string[] named = [.. BundleFiles.Companions.Take(1), .. weights, .. BundleFiles.Companions.Skip(1), BundleManifest.GraphFileName];
        return [.. named.Where(f => File.Exists(output.Find(f))), .. records.SelectMany(r => BundleFiles.OfDictionary(output.Find, r))];
    }
}
