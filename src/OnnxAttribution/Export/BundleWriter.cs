using System.Security.Cryptography;
using Google.Protobuf;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Export;

/// <summary>
/// Makes a bundle of a checkpoint and its dictionaries.
/// 1. Everything is opened and checked: shapes against config.json, dictionaries against sites, all weights finite.
/// 2. Weights that processing changes are written to processed.safetensors; all others stay in the checkpoint's file (linked into the bundle, not copied).
/// 3. The hooked graph refers to them by file, offset and length; bundle.json is written last, so that a bundle is whole when it has one.
/// </summary>
internal static class BundleWriter
{
    public const string GraphFileName = "model.onnx", CheckpointFileName = "model.safetensors", ProcessedFileName = "processed.safetensors", DictionariesFolder = "dictionaries";

    private static readonly string[] s_companions = ["config.json", CheckpointFileName, "vocab.json", "merges.txt"];

    public static BundleManifest Write(ExportOptions options, CancellationToken cancel = default)
    {
        // however the directory is spelled
        if (RealPath(options.Out) == RealPath(options.Checkpoint)) options = options with { Out = options.Checkpoint };
        using var checkpoint = Gpt2Checkpoint.Open(options.Checkpoint);
        var dictionaries = OpenDictionaries(options, checkpoint.Config);
        try
        {
            RequireFinite(checkpoint, dictionaries, options.Parallelism, cancel);
            var inPlace = options.Out == options.Checkpoint;
            if (!inPlace && File.Exists(Path.Combine(options.Out, BundleManifest.FileName)) && !options.Force)
            {
                throw new BundleException($"{options.Out} already holds a bundle; give --force to write it anew");
            }
            if (inPlace) RequireNoLink(checkpoint.File.Path);
            return WholeOrNone(options.Out, () =>
            {
                Directory.CreateDirectory(options.Out);
                File.Delete(Path.Combine(options.Out, BundleManifest.FileName));
                if (!inPlace) Bring(options, dictionaries);
                return WriteGraph(options, checkpoint, dictionaries, cancel);
            });
        }
        finally
        {
            foreach (var d in dictionaries) d.Dispose();
        }
    }

    // a directory that was not there before goes again; in one that was, no bundle.json says that it holds a bundle
    private static BundleManifest WholeOrNone(string directory, Func<BundleManifest> write)
    {
        var existed = Directory.Exists(directory);
        try
        {
            return write();
        }
        catch (Exception e)
        {
            if (!existed && Directory.Exists(directory)) Directory.Delete(directory, recursive: true);
            if (e is IOException or UnauthorizedAccessException) throw new BundleException($"{directory} cannot be written ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')}); choose a directory that is writable and has room", e);
            throw;
        }
    }

    private static BundleManifest WriteGraph(ExportOptions options, Gpt2Checkpoint checkpoint, IReadOnlyList<SaeLensDictionary> dictionaries, CancellationToken cancel)
    {
        var config = checkpoint.Config;
        var processed = Processed(options, checkpoint, cancel);
        var names = new WeightProcessing(checkpoint, options).Tensors().Select(t => t.Name).ToHashSet();
        TensorProto Weight(string name) => names.Contains(name)
            ? External(processed!.Tensors[name], ProcessedFileName)
            : External(checkpoint.Tensor(name), CheckpointFileName);
        using (processed)
        {
            var builder = new HookedGraphBuilder(Weight);
            var unembedding = names.Contains(WeightProcessing.Unembedding) ? WeightProcessing.Unembedding : checkpoint.HasLmHead ? "lm_head.weight" : "wte.weight";
            var logits = Gpt2Architecture.Logits(builder, config, options.FoldLayerNorm, unembedding, names.Contains(WeightProcessing.UnembeddingBias) ? WeightProcessing.UnembeddingBias : null);
            var graph = builder.Build(logits, new Dictionary<string, string> { ["onnx-attribution.architecture"] = "gpt2" });
            WriteWhole(Path.Combine(options.Out, GraphFileName), s => graph.ToProto().WriteTo(s));
            var manifest = Manifest(options, config, builder, dictionaries, cancel);
            WriteWhole(Path.Combine(options.Out, BundleManifest.FileName), s => s.Write(System.Text.Encoding.UTF8.GetBytes(manifest.ToJson())));
            return manifest;
        }
    }

    private static SafetensorsFile? Processed(ExportOptions options, Gpt2Checkpoint checkpoint, CancellationToken cancel)
    {
        var path = Path.Combine(options.Out, ProcessedFileName);
        if (!options.ChangesWeights)
        {
            File.Delete(path);
            return null;
        }
        SafetensorsWriter.Write(path, new WeightProcessing(checkpoint, options).Tensors().Select(t => SafetensorsTensor.F32(t.Name, t.Shape, () =>
        {
            cancel.ThrowIfCancellationRequested();
            return t.Make();
        })));
        return SafetensorsFile.Open(path);
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

    private static List<SaeLensDictionary> OpenDictionaries(ExportOptions options, Gpt2Config config)
    {
        var folder = options.Dictionaries ?? Path.Combine(options.Checkpoint, DictionariesFolder);
        if (!Directory.Exists(folder)) return options.Dictionaries is null ? [] : throw new BundleException($"there is no directory {folder}; give --dictionaries the folder that holds the SAELens dictionaries");
        var found = SaeLensDictionary.OpenAll(folder).ToList();
        try
        {
            Check(found, config);
            return found;
        }
        catch
        {
            foreach (var d in found) d.Dispose();
            throw;
        }
    }

    private static void Check(IReadOnlyList<SaeLensDictionary> dictionaries, Gpt2Config config)
    {
        var sites = SiteNames(config.Layers).ToHashSet();
        var taken = new Dictionary<string, string>();
        foreach (var d in dictionaries)
        {
            var site = Site.Canonical(d.HookName, config.Layers);
            if (!sites.Contains(site))
            {
                throw new BundleException($"{d.Directory} is a dictionary for '{d.HookName}', which this model ({config.Layers} layers) does not have as a site; its sites are {string.Join(", ", sites.Take(3))}, …");
            }
            if (d.Width != config.Width) throw new BundleException($"{d.Directory} is a dictionary of width {d.Width}, the model has width {config.Width}; it belongs to another model");
            if (!taken.TryAdd(site, d.Directory)) throw new BundleException($"{taken[site]} and {d.Directory} are both dictionaries of {site}; keep one of them");
        }
    }

    private static IEnumerable<string> SiteNames(int layers)
    {
        for (var l = 0; l < layers; l++)
        {
            yield return $"blocks.{l}.hook_resid_pre";
            yield return $"blocks.{l}.hook_attn_out";
            yield return $"blocks.{l}.hook_mlp_out";
        }
        yield return $"blocks.{layers - 1}.hook_resid_post";
    }

    private static void RequireFinite(Gpt2Checkpoint checkpoint, IEnumerable<SaeLensDictionary> dictionaries, int threads, CancellationToken cancel)
    {
        var checks = dictionaries.Select(d => (Action)d.RequireFinite).Prepend(checkpoint.RequireFinite);
        try
        {
            Parallel.ForEach(checks, new ParallelOptions { CancellationToken = cancel, MaxDegreeOfParallelism = threads }, check => check());
        }
        catch (AggregateException e)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
    }

    // ONNX Runtime does not follow external data out of the model's directory
    private static void RequireNoLink(string weights)
    {
        if (File.ResolveLinkTarget(weights, returnFinalTarget: true) is { } target)
        {
            throw new BundleException($"{weights} is a link to {target.FullName}, which ONNX Runtime would not follow; give --out another directory");
        }
    }

    private static string RealPath(string directory)
    {
        var path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
        return Directory.Exists(path) ? Directory.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path : path;
    }

    // links: the weights are not copied where the file system can help it
    private static void Bring(ExportOptions options, IEnumerable<SaeLensDictionary> dictionaries)
    {
        foreach (var name in s_companions)
        {
            var from = Path.Combine(options.Checkpoint, name);
            if (File.Exists(from)) FileLink.Make(from, Path.Combine(options.Out, name));
        }
        foreach (var d in dictionaries)
        {
            var folder = Path.Combine(options.Out, DictionariesFolder, d.HookName);
            Directory.CreateDirectory(folder);
            foreach (var name in (string[])["cfg.json", "sae_weights.safetensors"]) FileLink.Make(Path.Combine(d.Directory, name), Path.Combine(folder, name));
        }
    }

    private static BundleManifest Manifest(ExportOptions options, Gpt2Config config, HookedGraphBuilder builder, IReadOnlyList<SaeLensDictionary> dictionaries, CancellationToken cancel)
    {
        var inPlace = options.Out == options.Checkpoint;
        string FolderOf(SaeLensDictionary d) => inPlace
            ? Path.GetRelativePath(options.Out, d.Directory).Replace('\\', '/')
            : $"{DictionariesFolder}/{d.HookName}";
        var records = dictionaries.Select(d => new BundleManifest.DictionaryRecord(Site.Canonical(d.HookName, config.Layers), d.HookName, FolderOf(d),
            d.Architecture == DictionaryArchitecture.TopK ? "topk" : "standard", d.FeatureCount, d.Architecture == DictionaryArchitecture.TopK ? d.K : null,
            d.Normalization == InputNormalization.LayerNorm ? "layer_norm" : "none", d.PrependBos)).OrderBy(r => builder.Sites.ToList().IndexOf(r.Site)).ToList();
        var files = s_companions.Append(ProcessedFileName).Append(GraphFileName).Where(f => File.Exists(Path.Combine(options.Out, f)))
            .Concat(records.SelectMany(r => (string[])[$"{r.Path}/cfg.json", $"{r.Path}/sae_weights.safetensors"])).ToList();
        var hashes = new BundleManifest.FileRecord[files.Count];
        Parallel.For(0, files.Count, new ParallelOptions { CancellationToken = cancel, MaxDegreeOfParallelism = options.Parallelism }, i =>
        {
            using var stream = File.OpenRead(Path.Combine(options.Out, files[i]));
            hashes[i] = new BundleManifest.FileRecord(stream.Length, Convert.ToHexStringLower(SHA256.HashData(stream)));
        });
        return new BundleManifest
        {
            FormatVersion = BundleManifest.CurrentVersion,
            Name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(options.Out))),
            Architecture = "gpt2",
            NLayers = config.Layers,
            DModel = config.Width,
            NHeads = config.Heads,
            DVocab = config.VocabularySize,
            NCtx = config.Positions,
            WeightProcessing = new(options.FoldLayerNorm, options.CenterWritingWeights, options.CenterUnembed),
            Sites = builder.Sites,
            Hooks = builder.Hooks,
            Dictionaries = records,
            Files = files.Zip(hashes).ToDictionary(p => p.First, p => p.Second),
        };
    }

    // aside, then renamed: never half a file
    private static void WriteWhole(string path, Action<Stream> write)
    {
        var aside = path + ".part";
        try
        {
            using (var stream = File.Create(aside)) write(stream);
            File.Move(aside, path, overwrite: true);
        }
        finally
        {
            File.Delete(aside);
        }
    }
}
