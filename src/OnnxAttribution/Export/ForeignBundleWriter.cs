using Google.Protobuf;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;

namespace OnnxAttribution.Export;

/// <summary>
/// Makes a bundle of a graph that another program exported.
/// 1. The graph is rebuilt with sites (<see cref="ForeignGraph"/>) and checked (<see cref="SiteSeparation"/>); nothing is written before.
/// 2. Files of external data, dictionaries and the tokenizer's files are linked;
///    weights that the graph file holds itself go to one file beside it.
/// 3. model.onnx refers to them. All is written aside, checked, and put in its place (<see cref="BundleOutput"/>).
/// </summary>
internal static class ForeignBundleWriter
{
    /// <param name="check">Gets the bundle where it was written aside, before it is put in its place.</param>
    /// <inheritdoc cref="BundleWriter.Write"/>
    public static BundleManifest Write(AdoptionOptions options, CancellationToken cancel = default, Action<string>? say = null,
        Action<BundleManifest, string>? check = null)
    {
        RequirePaths(options);
        var map = SiteMap.Read(options.SitesFile);
        var weights = new ForeignWeights(Path.GetFullPath(options.Onnx));
        var adopted = Adopt(options, map, weights);
        var widths = adopted.Sites.ToDictionary(s => s, s => (int)adopted.Site(s).Shape![^1].Size!.Value);
        var positions = map.Positions ?? ContextLength.Of(adopted.Graph)
            ?? throw new BundleException($"{options.Onnx} has no table of positions that would tell how many tokens it reads; "
                + $"say so in {map.Path}: \"n_ctx\": 2048");
        var export = new ExportOptions(options.Folder, options.Dictionaries, options.Out, Force: options.Force, Threads: options.Threads)
        {
            AsTrained = options.AsTrained
        };
        using var dictionaries = BundleDictionaries.Open(export, new DictionaryFit(map.Layers, widths), say);
        RequireAsTrained(export, adopted, dictionaries, say);
        RequireNoTranscoders(dictionaries);
        var checkedFiles = BundleFiles.Check(dictionaries.Checks(options.Out, inPlace: false), options.Parallelism, cancel);
        BundleOutput.Require(options.Out, options.Force, inPlace: false);
        return BundleOutput.Write(options.Out, options.Force, inPlace: false, output =>
        {
            weights.Bring(output.Aside);
            var companions = BringCompanions(options, output.Aside);
            dictionaries.Bring(output, options.Out, inPlace: false, cancel);
            if (options.Screens) dictionaries.WriteScreens(output, options.Out, inPlace: false, (options.Parallelism, cancel));
            OutputFile.Write(Path.Combine(output.Aside, BundleManifest.GraphFileName), s => adopted.Graph.ToProto().WriteTo(s));
            var records = dictionaries.Records(options.Out, adopted.Sites, inPlace: false);
            List<string> files = [.. companions, .. weights.Linked, .. weights.MovesAny ? [ForeignWeights.FileName] : Array.Empty<string>(),
                BundleManifest.GraphFileName, .. records.SelectMany(r => BundleFiles.OfDictionary(output.Find, r))];
            var manifest = Manifest(options.Out, map, adopted, positions) with
            {
                Dictionaries = records,
                Files = BundleFiles.Records(output.Find, files, checkedFiles, options.Parallelism, cancel),
            };
            check?.Invoke(manifest, output.Aside);
            return manifest;
        }, cancel);
    }

    private static void RequireNoTranscoders(BundleDictionaries dictionaries)
    {
        if (!dictionaries.HasTranscoders) return;
        throw new BundleException("transcoders are read of exported checkpoints only: a graph of another program does not say what its "
            + "MLPs read; export the checkpoint, or leave them out")
        {
            Settings = [Setting.Dictionaries]
        };
    }

    private static void RequirePaths(AdoptionOptions options)
    {
        var source = Path.GetFullPath(options.Onnx);
        if (Directory.Exists(source))
        {
            throw new BundleException($"{options.Onnx} is a directory; give the .onnx file in it") { Settings = [Setting.Onnx] };
        }
        if (!File.Exists(source))
        {
            throw new BundleException($"there is no {options.Onnx}; give the file that torch.onnx.export wrote")
            {
                Settings = [Setting.Onnx]
            };
        }
        if (RealPath.Of(options.Out) == RealPath.Of(options.Folder))
        {
            throw new BundleException(
                $"{options.Out} is the directory of {options.Onnx}, whose files the bundle would replace; write to another one")
            {
                Settings = [Setting.Out]
            };
        }
        if (options.Tokenizer is { } tokenizer && !Directory.Exists(tokenizer))
        {
            throw new BundleException($"there is no directory {tokenizer}; give the one that holds the tokenizer's files")
            {
                Settings = [Setting.Tokenizer]
            };
        }
    }

    // what weight processing does to a checkpoint cannot be done in a graph
    private static void RequireAsTrained(ExportOptions export, AdoptedGraph adopted, BundleDictionaries dictionaries, Action<string>? say)
    {
        var implied = ImpliedProcessing.Of(export, dictionaries.Configs, NormIsRms(adopted));
        if (implied.CenterWritingWeights)
        {
            throw new BundleException("the dictionaries were trained on a model with centred writing weights, "
                + "which cannot be centred in a graph: centre them before you export it, or take it as it is")
            {
                Settings = [Setting.NotAsTrained]
            };
        }
        if (implied.FoldValueBiases)
        {
            throw new BundleException("dictionaries of hook_z were trained on a model whose value biases were folded away, "
                + "which cannot be done in a graph: fold them before you export it, or take it as it is")
            {
                Settings = [Setting.NotAsTrained]
            };
        }
        dictionaries.SayWhatIsUnsaid(implied, hasValueBiases: !NormIsRms(adopted), say);
    }

    private static BundleManifest Manifest(string directory, SiteMap map, AdoptedGraph adopted, int positions)
    {
        var widest = adopted.Sites.FirstOrDefault(s => Site.Parse(s).Kind != SiteKind.Z, adopted.Sites[0]);
        return new BundleManifest
        {
            FormatVersion = BundleManifest.WithoutTranscoders,
            Name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory))),
            Architecture = "onnx",
            NLayers = map.Layers,
            DModel = (int)adopted.Site(widest).Shape![^1].Size!.Value,
            NHeads = map.Heads ?? Heads(adopted) ?? 1,
            DVocab = adopted.Vocabulary,
            NCtx = positions,
            WeightProcessing = new(false, false, false),
            Sites = adopted.Sites,
            Hooks = adopted.Hooks,
            Dictionaries = [],
            PrependBos = map.PrependBos,
            Adopted = adopted.Changes.IsNone ? null : adopted.Changes,
            Files = new Dictionary<string, BundleManifest.FileRecord>(),
        };
    }

    // fused norms have their operators, whatever program wrote the graph
    private static bool NormIsRms(AdoptedGraph adopted)
    {
        var types = adopted.Graph.Ops().Select(op => op.Type).ToHashSet();
        return types.Contains("RMSNormalization") && !types.Contains("LayerNormalization");
    }

    private static AdoptedGraph Adopt(AdoptionOptions options, SiteMap map, ForeignWeights weights)
    {
        try
        {
            var adopted = ForeignGraph.Adopt(OnnxFile.Read(options.Onnx), map, options.Onnx, weights);
            SiteSeparation.Require(adopted, map.Path, options.Onnx);
            return adopted;
        }
        catch (BundleException e) when (DisplayText.OneLine(e.Message) != e.Message)
        {
            // names out of a damaged file may hold anything
            throw new BundleException(DisplayText.OneLine(e.Message), e);
        }
    }

    private static List<string> BringCompanions(AdoptionOptions options, string to)
    {
        var brought = new List<string>();
        foreach (var name in BundleFiles.Companions)
        {
            string[] folders = name == "config.json" || options.Tokenizer is null ? [options.Folder] : [options.Tokenizer];
            if (folders.Select(f => Path.Combine(f, name)).FirstOrDefault(File.Exists) is not { } from) continue;
            FileLink.Make(from, Path.Combine(to, name));
            brought.Add(name);
        }
        return brought;
    }

    // of an attention pattern, [batch, heads, position, position]
    private static int? Heads(AdoptedGraph adopted) => adopted.Graph.Ops().Where(o => o.Type == "Softmax")
        .Select(o => o.Out[0]?.Shape is [_, { Size: { } heads }, { Symbol: "position" }, { Symbol: "position" }] ? (int?)heads : null)
        .FirstOrDefault(heads => heads is not null);
}
