using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Checkpoints.Formats;
using OnnxAttribution.Files;

namespace OnnxAttribution.Export;

/// <summary>The dictionaries of a bundle that is being made, checked against its model's sites.
/// Owns them; who opens them disposes this.</summary>
internal sealed class BundleDictionaries : IDisposable
{
    public const string Folder = "dictionaries";

    private readonly IReadOnlyList<(string Folder, FoundDictionary Found)> _all;
    private readonly Dictionary<FoundDictionary, string> _settled = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<FoundDictionary> _screened = new(ReferenceEqualityComparer.Instance);
    private readonly DictionaryFit _fit;

    private BundleDictionaries(IReadOnlyList<(string Folder, FoundDictionary Found)> all, DictionaryFit fit) => (_all, _fit) = (all, fit);

    /// <param name="fit">What they have to fit.</param>
    /// <param name="say">Told what looked like a dictionary and was passed over.</param>
    /// <exception cref="BundleException">There is no such folder,
    /// or a dictionary is for no site of the model, of another width, or the second of its site.</exception>
    /// <exception cref="CheckpointException">A dictionary cannot be read.</exception>
    public static BundleDictionaries Open(ExportOptions options, DictionaryFit fit, Action<string>? say)
    {
        var all = new List<(string Folder, FoundDictionary Found)>();
        var found = new BundleDictionaries(all, fit);
        try
        {
            foreach (var folder in Folders(options))
            {
                all.AddRange(FindIn(folder, say).Select(d => (folder, d with { Config = ReleaseByPath.Amended(d.Place, d.Config) })));
            }
            found.DropCopiesOf(options, all);
            found.DropOlderConversions(all);
            fit.Check([.. all.Select(d => d.Found)]);
            return found;
        }
        catch
        {
            found.Dispose();
            throw;
        }
    }

    /// <summary>Names of the sites that they are for, those that they read.</summary>
    public IEnumerable<string> Sites => Configs.Select(c => _fit.SiteOf(c));

    /// <summary>Whether some write another site than they read.</summary>
    public bool HasTranscoders => Configs.Any(c => c.OutputHookName is not null);

    /// <summary>What each is.</summary>
    public IEnumerable<DictionaryConfig> Configs => _all.Select(d => d.Found.Config);

    /// <summary>Says which facts that their numbers depend on their files lack, and how they are read instead.</summary>
    public void SayWhatIsUnsaid(ExportOptions processed, bool hasValueBiases, Action<string>? say)
    {
        foreach (var line in UnsaidFacts.Of([.. _all.Select(d => (d.Found.Place, d.Found.Config))], processed, hasValueBiases))
        {
            say?.Invoke(line);
        }
    }

    /// <summary>What reads every weight once, with the path that each file has in the bundle.
    /// What is converted is checked on the way.</summary>
    public IEnumerable<(string Path, WeightCheck Check)> Checks(string bundle, bool inPlace) =>
        _all.Where(d => d.Found.SaeLens is not null)
            .Select(d => ($"{FolderOf(d.Found, bundle, inPlace)}/{SaeLensDictionary.WeightsFileName}", d.Found.SaeLens!.Check));

    /// <summary>Links SAELens's files into the bundle, so that no weight is copied where the file system can help it;
    /// what is of another format is converted.</summary>
    /// <param name="bundle">The bundle's directory as it was given.</param>
    /// <param name="inPlace">The bundle is the checkpoint's directory: what lies in it stays there.</param>
    public void Bring(BundleOutput output, string bundle, bool inPlace, CancellationToken cancel)
    {
        foreach (var (from, found) in _all)
        {
            if (Stays(found, bundle, inPlace)) continue;
            var name = NameOf(found.Config);
            var folder = Path.Combine(output.Aside, name);
            Directory.CreateDirectory(folder);
            if (found.Conversion is { } conversion)
            {
                conversion.Write(folder, Path.GetRelativePath(from, conversion.Source).Replace('\\', '/'), cancel);
            }
            else
            {
                foreach (var file in BundleFiles.DictionaryFiles.Where(file => File.Exists(Path.Combine(found.Place, file))))
                {
                    FileLink.Make(Path.Combine(found.Place, file), Path.Combine(folder, file));
                }
            }
            _settled[found] = output.Settle(name);
        }
    }

    /// <summary>Writes an <see cref="EncoderScreenFile"/> beside each; behind <see cref="Bring"/>.</summary>
    /// <param name="bundle">The bundle's directory as it was given.</param>
    /// <param name="inPlace">The bundle is the checkpoint's directory.</param>
    public void WriteScreens(BundleOutput output, string bundle, bool inPlace, (int Threads, CancellationToken Cancel) work)
    {
        foreach (var (_, found) in _all)
        {
            var folder = FolderOf(found, bundle, inPlace);
            var weights = output.Find($"{folder}/{SaeLensDictionary.WeightsFileName}");
            using var dictionary = SaeLensDictionary.Open(Path.GetDirectoryName(weights)!);
            Directory.CreateDirectory(Path.Combine(output.Aside, folder));
            var screen = Path.Combine(output.Aside, folder, EncoderScreenFile.FileName);
            EncoderScreenFile.Write(dictionary.File, screen, work.Threads, work.Cancel);
            _screened.Add(found);
        }
    }

    /// <param name="sites">In the order of computation.</param>
    /// <param name="inPlace">The bundle is the checkpoint's directory: the dictionaries may lie in it already.</param>
    public IReadOnlyList<BundleManifest.DictionaryRecord> Records(string bundle, IReadOnlyList<string> sites, bool inPlace) =>
    [
        .. _all.Select(d => Record(d.Found.Config, FolderOf(d.Found, bundle, inPlace)) is var record && _screened.Contains(d.Found)
                ? record with { Screen = $"{record.Path}/{EncoderScreenFile.FileName}" } : record)
            .OrderBy(r => sites.ToList().IndexOf(r.Site)).ThenBy(r => r.Output is not null),
    ];

    private BundleManifest.DictionaryRecord Record(DictionaryConfig config, string folder) =>
        new(_fit.SiteOf(config), config.HookName, folder,
            config.OutputHookName is null ? config.Architecture.Name() : TranscoderConfig.NameOf(config.Architecture, config.HasSkip),
            config.FeatureCount, config.Architecture == DictionaryArchitecture.TopK ? config.K : null, config.Normalization.Name(),
            config.PrependBos)
        {
            Output = config.OutputHookName,
            ZeroPositions = config.ZeroPositions == 0 ? null : config.ZeroPositions,
            OutputLayers = config.OutputLayers == 1 ? null : config.OutputLayers,
            Release = config.FromRelease?.Release,
            NeuronpediaId = config.FromRelease is null ? null : config.NeuronpediaId,
            NormScalingFactor = config.FromRelease is { HasFactor: true } ? config.NormScalingFactor : null,
        };

    private static string NameOf(DictionaryConfig config) =>
        $"{Folder}/{(config.OutputHookName is { } output ? output + ".transcoder" : config.HookName)}";

    public void Dispose()
    {
        foreach (var (_, found) in _all) found.Dispose();
    }

    private static IEnumerable<string> Folders(ExportOptions options)
    {
        if (options.Dictionaries is { Count: > 0 } given) return given;
        var own = Path.Combine(options.Checkpoint, Folder);
        return Directory.Exists(own) ? [own] : [];
    }

    private static IReadOnlyList<FoundDictionary> FindIn(string folder, Action<string>? say)
    {
        if (File.Exists(folder))
        {
            throw new BundleException($"{folder} is a file; give the folder that holds it, as it is published")
            {
                Settings = [Setting.Dictionaries]
            };
        }
        if (!Directory.Exists(folder))
        {
            throw new BundleException($"there is no directory {folder}; give the folder that holds the "
                + $"dictionaries{CheckpointFolder.OfHub(folder)}")
            {
                Settings = [Setting.Dictionaries],
                Next = CheckpointFolder.IsHubName(folder) ? new NextStep(StepKind.FetchDictionaries, folder) : null
            };
        }
        var passedOver = new List<string>();
        var found = DictionaryFinder.FindAll(folder, passedOver.Add);
        if (found.Count == 0 && Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).FirstOrDefault() is { } some)
        {
            var reasons = passedOver.Count == 0
                ? $"only files such as {Path.GetRelativePath(folder, some)}"
                : "and passed over was "
                    + $"{string.Join("; ", passedOver.Take(3))}{(passedOver.Count > 3 ? $"; and {passedOver.Count - 3} more" : "")}";
            throw new BundleException($"{folder} holds no dictionary of a format that is known, {reasons}. "
                + "Give a folder with SAELens's (cfg.json, sae_weights.safetensors), "
                + "dictionary_learning's (ae.pt), OpenAI's (LOCATION/autoencoders/LAYER.pt), Gemma Scope's (params.npz), "
                + "Llama Scope's (hyperparams.json, checkpoints/final.safetensors), sparsify's (sae.safetensors) or circuit-tracer's "
                + "(config.yaml, layer_0.safetensors)")
            {
                Settings = [Setting.Dictionaries]
            };
        }
        foreach (var line in passedOver) say?.Invoke(line);
        return found;
    }

    // a bundle that lies in a folder that is searched holds links to the dictionaries from the last time
    private void DropCopiesOf(ExportOptions options, List<(string Folder, FoundDictionary Found)> all)
    {
        if (options.Out == options.Checkpoint)
        {
            DropUnlisted(options.Out, all);
            return;
        }
        var bundled = Path.Combine(RealPath.Of(options.Out), Folder) + Path.DirectorySeparatorChar;
        bool IsBundled(FoundDictionary found) => RealPath.Of(found.Place).StartsWith(bundled, StringComparison.Ordinal);
        var elsewhere = all.Where(d => !IsBundled(d.Found)).Select(d => _fit.PlaceOf(d.Found.Config)).ToHashSet();
        foreach (var copy in all.Where(d => IsBundled(d.Found) && elsewhere.Contains(_fit.PlaceOf(d.Found.Config))).ToList())
        {
            all.Remove(copy);
            copy.Found.Dispose();
        }
    }

    // in the checkpoint's own directory, beside what its bundle uses: the checkpoint's, or left by an export that was killed
    private void DropUnlisted(string bundle, List<(string Folder, FoundDictionary Found)> all)
    {
        var before = BundleRemains.Of(bundle);
        bool IsListed(FoundDictionary found) =>
            before.Lists(Path.GetRelativePath(bundle, Path.Combine(found.Place, SaeLensDictionary.ConfigFileName)).Replace('\\', '/'));
        foreach (var ofSite in all.GroupBy(d => _fit.PlaceOf(d.Found.Config))
            .Where(g => g.Count(d => d.Found.SaeLens is not null && IsListed(d.Found)) == 1)
            .ToList())
        {
            foreach (var other in ofSite.Where(d => d.Found.SaeLens is not null && !IsListed(d.Found)).ToList())
            {
                all.Remove(other);
                other.Found.Dispose();
            }
        }
    }

    // a bundle that was exported into its own checkpoint holds what was converted then beside what it was converted from
    private void DropOlderConversions(List<(string Folder, FoundDictionary Found)> all)
    {
        var anew = all.Where(d => d.Found.Conversion is not null).Select(d => _fit.PlaceOf(d.Found.Config)).ToHashSet();
        foreach (var old in all.Where(d => d.Found.Config.IsConverted && anew.Contains(_fit.PlaceOf(d.Found.Config))).ToList())
        {
            all.Remove(old);
            old.Found.Dispose();
        }
    }

    private string FolderOf(FoundDictionary found, string bundle, bool inPlace) =>
        _settled.TryGetValue(found, out var settled) ? settled
            : Stays(found, bundle, inPlace) ? Path.GetRelativePath(bundle, found.Place).Replace('\\', '/')
            : NameOf(found.Config);

    private static bool Stays(FoundDictionary found, string bundle, bool inPlace) =>
        inPlace && found.SaeLens is not null && !Path.GetRelativePath(bundle, found.Place).StartsWith("..", StringComparison.Ordinal);
}
