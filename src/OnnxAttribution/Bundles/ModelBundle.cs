using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Bundles;

/// <summary>A model bundle on disk: the hooked graph, its sites, its dictionaries.
/// Dictionaries that are opened become the caller's.</summary>
internal sealed class ModelBundle
{
    /// <summary>Names of the graph's input, int64 [batch, position], and of its output, float32 [batch, position, vocabulary].</summary>
    public const string Tokens = "tokens", Logits = "logits";

    private readonly Dictionary<string, int> _siteIndex;
    private readonly Dictionary<string, BundleManifest.DictionaryRecord> _dictionaries;
    private readonly Dictionary<string, BundleManifest.DictionaryRecord> _transcoders;
    private bool _sized;

    private static readonly string[] s_kinds = [.. Enum.GetValues<SiteKind>().Select(Site.NameOf)];

    private ModelBundle(string directory, BundleManifest manifest)
    {
        Directory = directory;
        Manifest = manifest;
        Sites = [.. manifest.Sites.Select(Site.Parse)];
        _siteIndex = Sites.Index().ToDictionary(s => s.Item.Name, s => s.Index);
        _dictionaries = manifest.Dictionaries.Where(d => d.Output is null).ToDictionary(d => d.Site);
        _transcoders = manifest.Dictionaries.Where(d => d.Output is not null).ToDictionary(d => d.Output!);
    }

    public string Directory { get; }
    public BundleManifest Manifest { get; }

    /// <summary>In the order of computation.</summary>
    public IReadOnlyList<Site> Sites { get; }

    public string GraphPath => Path.Combine(Directory, Manifest.Graph ?? BundleManifest.GraphFileName);

    /// <exception cref="BundleException">There is none, or its files are not those that were exported,
    /// as far as a fast look tells.</exception>
    public static ModelBundle Open(string directory)
    {
        var bundle = new ModelBundle(Path.GetFullPath(directory), BundleManifest.Read(directory));
        BundleFiles.RequireSame(bundle.Directory, bundle.Manifest);
        return bundle;
    }

    /// <summary>Sites by kind (<see cref="Site.IsAmong"/>) or name, each once, in the order of computation.</summary>
    /// <inheritdoc cref="SiteNamed" path="/exception"/>
    internal IReadOnlyList<Site> SitesNamed(IEnumerable<string> names)
    {
        var chosen = new HashSet<Site>();
        foreach (var name in names)
        {
            var ofKind = Sites.Where(s => s.IsAmong(name)).ToList();
            chosen.UnionWith(ofKind.Count > 0 ? ofKind : [SiteNamed(name)]);
        }
        return [.. Sites.Where(chosen.Contains)];
    }

    /// <summary>A site by its name, in short (<see cref="Site.FromShort"/>) or in full, or by another of its names:
    /// what would enter a block behind the last one is the final residual stream.</summary>
    /// <exception cref="BundleException">There is none; the message names the nearest.</exception>
    public Site SiteNamed(string name) => Sites[SiteIndex(name)];

    /// <summary>Index among <see cref="Sites"/> of a site named as <see cref="SiteNamed"/> takes names.</summary>
    /// <inheritdoc cref="SiteNamed" path="/exception"/>
    public int SiteIndex(string name)
    {
        name = Site.FromShort(name) ?? name;
        var layers = Manifest.NLayers;
        var canonical = name == $"blocks.{layers}.hook_resid_pre" ? $"blocks.{layers - 1}.hook_resid_post" : Site.Canonical(name, layers);
        return _siteIndex.TryGetValue(canonical, out var index)
            ? index
            : throw new BundleException($"{Directory} has no site '{name}'{Beyond(canonical, layers)}. Did you mean "
                + $"'{SpellCheck.Among([.. s_kinds.Where(kind => kind != canonical), .. Manifest.Sites], canonical)}'? "
                + $"Its sites are listed in {Path.Combine(Directory, BundleManifest.FileName)}")
            {
                UnknownSite = name
            };
    }

    private static string Beyond(string site, int layers) =>
        site.Split('.') is ["blocks", var text, ..] && int.TryParse(text, out var layer) && layer >= layers
            ? $": it has no layer {layer}, only {(layers == 1 ? "0" : $"0 to {layers - 1}")}" : "";

    public SaeLensDictionary? OpenDictionary(Site site) => DictionaryAt(site) is { } record ? Open(record) : null;

    /// <summary>A dictionary of either kind; the caller's.</summary>
    public SaeLensDictionary Open(BundleManifest.DictionaryRecord record) =>
        SaeLensDictionary.Open(Path.Combine(Directory, record.Path), record.Amended)
            .WithScreen(record.Screen is null ? null : Path.Combine(Directory, record.Screen));

    /// <summary>Whether it has dictionaries that write another site than they read.</summary>
    public bool HasTranscoders => _transcoders.Count > 0;

    /// <summary>Whether it has such dictionaries and no others.</summary>
    public bool HasTranscodersOnly => HasTranscoders && _dictionaries.Count == 0;

    /// <summary>What bundle.json says of the transcoder that writes a site, its own MLP's output; null where none does.</summary>
    public BundleManifest.DictionaryRecord? TranscoderAt(Site site) => _transcoders.GetValueOrDefault(site.Name);

    /// <summary>What bundle.json says of the dictionary that rebuilds a site; null where there is none.</summary>
    public BundleManifest.DictionaryRecord? DictionaryAt(Site site) => _dictionaries.GetValueOrDefault(site.Name);

    public bool HasDictionary(Site site) => DictionaryAt(site) is not null;

    /// <summary>The model without its interventions: each site is a plain tensor,
    /// named as the site, computed from <c>site.raw</c>.</summary>
    /// <param name="batch">Size of the batch axis; null leaves it open.</param>
    /// <exception cref="BundleException">The file is damaged, or asks for more than any model does;
    /// the message names the node and the fix.</exception>
    public OnnxGraph WithoutInterventions(long? batch)
    {
        var model = ReadGraph();
        try
        {
            if (model.Graph is null) throw new GraphException("it holds no graph; export the bundle again");
            GraphCheck.RequireStandard(model);
            RemoveInterventions(model.Graph, Manifest.Sites);
            if (!_sized) GraphSizes.Count(model).RequireKnown();
            _sized = true;
            var graph = OnnxGraph.FromProto(model, batch is { } n ? new Dictionary<string, long> { ["batch"] = n } : null);
            RequireTensors(graph);
            return graph;
        }
        catch (GraphException e)
        {
            throw new BundleException($"{GraphPath}: {e.Message}", e);
        }
    }

    /// <summary>The graph as it lies in its file.</summary>
    /// <exception cref="BundleException">It cannot be read, or its weights lie in a file that bundle.json does not list.</exception>
    internal ModelProto ReadGraph()
    {
        var model = OnnxFile.Read(GraphPath);
        var locations = model.Graph?.Initializer
            .SelectMany(t => t.ExternalData)
            .Where(e => e.Key == "location")
            .Select(e => e.Value)
            .Distinct() ?? [];
        if (locations.FirstOrDefault(location => !Manifest.Files.ContainsKey(location)) is not { } unlisted) return model;
        throw new BundleException($"{GraphPath} takes weights from '{unlisted}', which bundle.json does not list; export the bundle again");
    }

    // what every verb asks the graph for by name
    private void RequireTensors(OnnxGraph graph)
    {
        foreach (var name in (string[])[Tokens, Logits, .. Manifest.Hooks]) _ = graph[name];
        if (graph[Logits].Shape is not [_, _, { Size: not null }])
        {
            throw new GraphException("its logits are not [batch, position, vocabulary]; export the bundle again");
        }
        foreach (var site in Manifest.Sites)
        {
            if (graph[site].Shape is not [_, _, { Size: not null }])
            {
                throw new GraphException($"the site '{site}' is not [batch, position, width]; export the bundle again");
            }
        }
    }

    private static void RemoveInterventions(GraphProto graph, IReadOnlyList<string> sites)
    {
        var gone = sites.SelectMany(s => (string[])[s + ".scale", s + ".shift"]).ToHashSet();
        foreach (var input in graph.Input.Where(i => gone.Contains(i.Name)).ToList()) graph.Input.Remove(input);
        foreach (var t in graph.Initializer.Where(t => gone.Contains(t.Name)).ToList()) graph.Initializer.Remove(t);
        var names = sites.ToHashSet();
        foreach (var node in graph.Node.Where(n => n.OpType == "Mul" && n.Input.Any(gone.Contains)).ToList()) graph.Node.Remove(node);
        foreach (var node in graph.Node.Where(n => n.Output.Count == 1 && names.Contains(n.Output[0])))
        {
            node.OpType = "Identity";
            node.Input.Clear();
            node.Input.Add(node.Output[0] + ".raw");
        }
    }
}
