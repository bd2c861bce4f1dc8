using OnnxAttribution.Attribution;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Files;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Model;

/// <summary>A bundle made ready for graphs of causes: its tensors, its dictionaries at the selected sites, its sessions. Owns them; who makes a model disposes it.</summary>
/// <remarks>Sessions are made when they are first needed and kept, so that many prompts pay for them once.</remarks>
public sealed class LoadedModel : IDisposable
{
    private readonly Dictionary<(MetricKind, Estimator), (MetricGraph Metric, GraphRunner Runner, long Operations)> _passes = [];
    private readonly Dictionary<(string, Estimator), (SegmentJacobian Segment, GraphRunner? Runner)> _segments = [];
    private readonly Dictionary<(MetricKind, Estimator), (IReadOnlyList<Value> Parents, GraphRunner Runner)> _heads = [];
    private readonly SparseDictionary?[] _dictionaries;
    private readonly bool _packsWeights;
    private SegmentedModel? _steps;

    internal LoadedModel(ModelBundle bundle, IReadOnlyList<Site> selected, RunContext context, bool packWeights)
    {
        Bundle = bundle;
        Selected = selected;
        Context = context;
        Graph = bundle.WithoutInterventions(batch: 1);
        AllSites = [.. bundle.Sites.Select(s => Graph[s.Name])];
        SelectedValues = [.. selected.Select(s => Graph[s.Name])];
        _packsWeights = packWeights;
        Encoder = new DictionaryEncoder(context, packWeights);
        _dictionaries = [.. selected.Select(s => bundle.OpenDictionary(s) is { } d ? new SparseDictionary(d) : null)];
    }

    /// <param name="directory">The bundle.</param>
    /// <param name="sites">Kinds (<c>resid</c>, <c>attn</c>, <c>mlp</c>, <c>resid_mid</c>, <c>z</c>) or hook names; null: every site with a dictionary, or every site where none has one.</param>
    /// <param name="packWeights">Lay weights out for speed, at the price of time and a copy: for many prompts.</param>
    /// <exception cref="BundleException">The bundle is missing, damaged or lacks a site.</exception>
    public static LoadedModel Open(string directory, IReadOnlyList<string>? sites, RunContext context, bool packWeights = false)
    {
        var bundle = ModelBundle.Open(directory);
        return new LoadedModel(bundle, Select(bundle, sites), context, packWeights);
    }

    /// <summary>The selected sites, in the order of computation.</summary>
    public IReadOnlyList<Site> Selected { get; }

    /// <summary>Directory of the bundle, and the model's name.</summary>
    public string Directory => Bundle.Directory;
    public string Name => Bundle.Manifest.Name;

    /// <summary>Longest prompt, in tokens.</summary>
    public int ContextLength => Bundle.Manifest.NCtx;
    public int VocabularySize => Bundle.Manifest.DVocab;

    /// <summary>What the dictionaries at the selected sites were trained with; where there is none, what the bundle says, else true.</summary>
    public bool PrependsBos => Bundle.Manifest.Dictionaries.Where(d => Selected.Any(s => s.Name == d.Site)).Select(d => d.PrependBos).DefaultIfEmpty(Bundle.Manifest.PrependBos ?? true).All(b => b);

    /// <summary>SHA-256 of bundle.json, which holds the hashes of all files.</summary>
    public string BundleHash => HashOf(Bundle.Directory);

    internal static string HashOf(string bundle) => Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(RegularFile.ReadAllBytes(Path.Combine(bundle, BundleManifest.FileName))));

    public RunContext Context { get; }

    internal ModelBundle Bundle { get; }
    internal OnnxGraph Graph { get; }
    internal IReadOnlyList<Value> AllSites { get; }
    internal IReadOnlyList<Value> SelectedValues { get; }
    internal DictionaryEncoder Encoder { get; }

    /// <summary>The model cut at every site, for passes that change something.</summary>
    internal SegmentedModel Steps => _steps ??= new SegmentedModel(Bundle, Context);

    /// <summary>Some selected site's W_enc does not stay mapped, so it is better read for all that will be asked of it at once.</summary>
    internal bool HasLargeEncoders => _dictionaries.Any(d => d is { HasLargeEncoder: true });

    internal SparseDictionary? DictionaryAt(int selected) => _dictionaries[selected];

    /// <summary>The dictionary of a selected site; null where it has none.</summary>
    internal SparseDictionary? DictionaryOf(Site site)
    {
        for (var i = 0; i < Selected.Count; i++)
        {
            if (Selected[i] == site) return _dictionaries[i];
        }
        return null;
    }

    /// <summary>A site's place among the bundle's.</summary>
    /// <exception cref="BundleException">There is no such site.</exception>
    internal int Place(string site)
    {
        var named = Bundle.SiteNamed(site);
        for (var i = 0; ; i++)
        {
            if (Bundle.Sites[i] == named) return i;
        }
    }

    /// <summary>Width of a site: d_model, or for <c>hook_z</c> that of all heads together.</summary>
    internal int WidthOf(Site site) => (int)(Graph[site.Name].Shape![^1].Size ?? throw new AttributionException($"{site} has no fixed width in {Bundle.GraphPath}; export the bundle again"));

    /// <exception cref="AttributionException">There is no token, too many, or one that is no token id.</exception>
    internal void RequireTokens(IReadOnlyList<int> tokens)
    {
        if (tokens.Count == 0) throw new AttributionException("the prompt has no tokens; give a --prompt with text in it");
        if (tokens.Count > ContextLength) throw new AttributionException($"the prompt has {tokens.Count} tokens, the model's context holds {ContextLength}; shorten it");
        foreach (var t in tokens)
        {
            if (t < 0 || t >= VocabularySize) throw new AttributionException($"the prompt's token {t} is no token id; ids are 0 to {VocabularySize - 1}: check that the tokenizer is the model's");
        }
    }

    /// <exception cref="AttributionException">The patch prompt has another number of tokens than the prompt.</exception>
    internal static void RequireEquallyLong(int tokens, int patchTokens)
    {
        if (patchTokens != tokens) throw new AttributionException($"the prompt has {tokens} tokens, the patch prompt {patchTokens}; they must be equally long");
    }

    /// <exception cref="AttributionException">A prompt of that many tokens has no such position.</exception>
    internal void RequirePosition(int position, int tokens)
    {
        if (position < 0 || position >= tokens) throw new AttributionException($"--position {position} is outside the prompt, whose tokens are 0 to {tokens - 1}");
    }

    /// <summary>Forward and backward in one graph: sites, logits, metric and the metric's gradient at every selected site.</summary>
    internal (MetricGraph Metric, GraphRunner Runner, long Operations) Pass(MetricKind kind, int positions, Estimator estimator)
    {
        if (_passes.TryGetValue((kind, estimator), out var made)) return made;
        var metric = MetricGraph.Build(Graph, kind, AllSites);
        var gradients = metric.Gradients(estimator.Rules(), SelectedValues, []);
        var g = metric.G;
        var outputs = new List<Value> { metric.Value, metric.Logits, metric.TargetToken, metric.FoilToken };
        outputs.AddRange(AllSites);
        for (var i = 0; i < Selected.Count; i++)
        {
            // a site that the metric does not read (its position is later, say) has no gradient at all
            if (gradients.TryGetValue(SelectedValues[i], out var gradient)) outputs.Add(g.Identity(gradient, GradientName(Selected[i])));
        }
        var graph = new OnnxGraph([Graph["tokens"], .. metric.Inputs], outputs);
        return _passes[(kind, estimator)] = (metric, Runner(graph), FlopCount.Of(graph, new Dictionary<string, long> { ["position"] = positions, ["batch"] = 1 }));
    }

    internal static string GradientName(Site site) => site.Name + ".grad";

    /// <summary>The graph of all direct edges into a selected site; null where it has no upstream.</summary>
    internal (SegmentJacobian Segment, GraphRunner? Runner)? Segment(int downstream, Estimator estimator)
    {
        var value = SelectedValues[downstream];
        if (_segments.TryGetValue((value.Name, estimator), out var made)) return made;
        var raw = value.Producer!.In[0]!;
        var parents = Topology.DirectlyReadBy(raw, SelectedValues.ToHashSet());
        if (parents.Count == 0) return null;
        var segment = SegmentJacobian.Build(raw, [.. SelectedValues.Where(parents.Contains)], SelectedValues, estimator.Rules());
        return _segments[(value.Name, estimator)] = (segment, segment.NeedsNoRun ? null : Runner(segment.Graph));
    }

    /// <summary>The metric's gradient at the sites it reads directly, along paths that meet no other selected site.</summary>
    internal (IReadOnlyList<Value> Parents, GraphRunner Runner) Head(MetricKind kind, Estimator estimator)
    {
        if (_heads.TryGetValue((kind, estimator), out var made)) return made;
        var metric = MetricGraph.Build(Graph, kind, AllSites);
        var read = Topology.DirectlyReadBy(metric.Value, SelectedValues.ToHashSet());
        var gradients = metric.Gradients(estimator.Rules(), [.. SelectedValues.Where(read.Contains)], SelectedValues);
        // a site may be read and yet have no gradient, where the estimator holds fixed all that reads it
        Value[] parents = [.. SelectedValues.Where(gradients.ContainsKey)];
        var outputs = parents.Select(p => metric.G.Identity(gradients[p], p.Name + ".grad")).ToList();
        var graph = new OnnxGraph([Graph["tokens"], .. SelectedValues, .. metric.Inputs], outputs);
        return _heads[(kind, estimator)] = (parents, Runner(graph));
    }

    // laid out or not: at GPT-2-small's shape 1.0 + 2.8 s once for passes and segments, against 0.04 + 0.05 s for every prompt
    private GraphRunner Runner(OnnxGraph graph) => new(graph, Context, Bundle.Directory, prepack: _packsWeights);

    private static IReadOnlyList<Site> Select(ModelBundle bundle, IReadOnlyList<string>? names)
    {
        if (names is null or [])
        {
            var with = bundle.Sites.Where(bundle.HasDictionary).ToList();
            return with.Count > 0 ? with : bundle.Sites;
        }
        return bundle.SitesNamed(names);
    }

    public void Dispose()
    {
        _steps?.Dispose();
        foreach (var (_, runner, _) in _passes.Values) runner.Dispose();
        foreach (var (_, runner) in _segments.Values) runner?.Dispose();
        foreach (var (_, runner) in _heads.Values) runner.Dispose();
        foreach (var d in _dictionaries) d?.Dispose();
        Encoder.Dispose();
    }
}
