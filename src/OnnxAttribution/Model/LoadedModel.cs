using System.Diagnostics;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Files;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Model;

/// <summary>A bundle made ready for graphs of causes: its tensors, its dictionaries at the selected sites, its sessions.
/// Owns them; who makes a model disposes it.</summary>
/// <remarks>Sessions are made when they are first needed and kept, so that many prompts pay for them once.</remarks>
public sealed class LoadedModel : IDisposable
{
    private readonly Dictionary<Site, SelectedSite> _selected;
    private readonly Dictionary<Value, SelectedSite> _selectedByTensor;
    private readonly Dictionary<Type, IDisposable> _owned = [];
    private readonly Lazy<Tokenizer> _tokenizer;
    private readonly Lazy<SegmentedModel> _steps;

    internal LoadedModel(ModelBundle bundle, SelectedParts parts, RunContext context, int prompts)
    {
        var selected = parts.Sites;
        Bundle = bundle;
        BundleHash = HashOf(bundle.Directory);
        Selected = selected;
        Context = context;
        Graph = bundle.WithoutInterventions(batch: 1);
        var mlps = parts.Replaced.Select(bundle.Replace).ToDictionary(m => m.Output);
        if (mlps.Count > 0) (Graph, ReplacementInputs) = ReplacedGraph.Build(Graph, [.. mlps.Values], bundle.Sites);
        AllSites = [.. bundle.Sites.Select(s => Graph[s.Name])];
        PacksWeights = WeightPacking.Pays(Graph, prompts);
        _tokenizer = new(() => Tokenizer.Open(Directory), LazyThreadSafetyMode.PublicationOnly);   // asked again where it fails
        _steps = new(() => new SegmentedModel(Bundle, Context));
        Encoder = new DictionaryEncoder(context, PacksWeights);
        SelectedSites = [.. selected.Select((site, i) => mlps.TryGetValue(site, out var mlp) ? Replaced(i, mlp, parts.ZeroPositions)
            : new SelectedSite(i, site, Graph[site.Name],
                bundle.OpenDictionary(site) is { } d ? new SparseDictionary(d, WeightPacking.IsMany(prompts)) : null)
            {
                Width = WidthOf(site),
                Read = Graph[site.Name].Producer!.In[0]!,
            })];
        SelectedValues = [.. SelectedSites.Select(s => s.Value)];
        _selected = SelectedSites.ToDictionary(s => s.Site);
        _selectedByTensor = SelectedSites.ToDictionary(s => s.Value);
    }

    private SelectedSite Replaced(int index, ReplacedMlp mlp, int? zeroPositions) =>
        new(index, mlp.Output, Graph[mlp.Written], mlp.Dictionary)
        {
            Width = mlp.Dictionary.OutputWidth,
            Mlp = mlp,
            // another selected site may be what it reads
            Read = new GraphBuilder().Identity(Graph[mlp.Input.Name], mlp.Output.Name + ".read"),
            ZeroPositions = zeroPositions ?? Bundle.TranscoderAt(mlp.Output)!.ZeroPositions ?? 0,
        };

    /// <summary>Opens a bundle: maps its weights and dictionaries, makes no session.</summary>
    /// <param name="directory">The bundle, as <c>onnx-attribution export</c> writes it.</param>
    /// <param name="sites">Kinds (<c>resid</c>, <c>attn</c>, <c>mlp</c>, <c>resid_mid</c>, <c>z</c>) or hook names;
    /// null: every site with a dictionary, or every site where none has one.</param>
    /// <param name="context">Device, threads, memory budget and cancellation.</param>
    /// <param name="prompts">How many will be asked: for many, memory and a few seconds are spent so that each is quicker,
    /// where the weights are small beside the machine's memory.</param>
    /// <exception cref="ArgumentNullException">There is no directory or no context.</exception>
    /// <exception cref="BundleException">The bundle is missing, damaged or lacks a site.</exception>
    /// <exception cref="Checkpoints.CheckpointException">A dictionary's file is missing or damaged.</exception>
    public static LoadedModel Open(string directory, IReadOnlyList<string>? sites, RunContext context, int prompts = 1) =>
        OpenSelected(directory, new ModelSelection(sites), context, prompts);

    /// <summary>Opens a bundle for graphs, of the model itself or with its MLPs replaced by transcoders.</summary>
    /// <inheritdoc cref="Open(string, IReadOnlyList{string}, RunContext, int)" path="/param"/>
    /// <param name="selection">Where the graph is cut, and whether MLPs are replaced.</param>
    /// <exception cref="ArgumentNullException">There is no directory, selection or context.</exception>
    /// <exception cref="BundleException">The bundle is missing, damaged or lacks a site, or has no transcoders where they are asked for.
    /// </exception>
    /// <exception cref="Checkpoints.CheckpointException">A dictionary's file is missing or damaged.</exception>
    public static LoadedModel OpenSelected(string directory, ModelSelection selection, RunContext context, int prompts = 1)
    {
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentNullException.ThrowIfNull(selection);
        ArgumentNullException.ThrowIfNull(context);
        var start = Stopwatch.GetTimestamp();
        var bundle = ModelBundle.Open(directory);
        return new LoadedModel(bundle, selection.Of(bundle), context, prompts)
        {
            Path = directory,
            OpenSeconds = Stopwatch.GetElapsedTime(start).TotalSeconds,
        };
    }

    /// <summary>Whether weights were laid out for speed.</summary>
    internal bool PacksWeights { get; }

    /// <summary>The selected sites, in the order of computation.</summary>
    public IReadOnlyList<Site> Selected { get; }

    /// <summary>The bundle's directory, as it was given.</summary>
    public string Path { get; private init; } = "";

    /// <summary>Seconds that opening took; sessions are made later, when they are first needed.</summary>
    public double OpenSeconds { get; private init; }

    /// <summary>The bundle's, opened when it is first asked for: a model may be read without one.</summary>
    /// <exception cref="TokenizerException">It is missing or damaged.</exception>
    public Tokenizer Tokenizer => _tokenizer.Value;

    /// <summary>A token's text; <c>[50300]</c> for an id that only the model has, whose vocabulary is padded.</summary>
    /// <param name="token">Token id, from 0.</param>
    /// <exception cref="TokenizerException">The tokenizer is missing or damaged.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The id is negative.</exception>
    public string TokenText(int token) => Tokenizer.TokenText(token);

    /// <summary>The bundle's directory.</summary>
    public string Directory => Bundle.Directory;

    /// <summary>The model's name, as the bundle says.</summary>
    public string Name => Bundle.Manifest.Name;

    /// <summary>Longest prompt, in tokens, BOS counted (TransformerLens' <c>n_ctx</c>).</summary>
    public int ContextLength => Bundle.Manifest.NCtx;

    /// <summary>How many logits a position has: <c>d_vocab</c>, rows of the unembedding; the tokenizer may know fewer.</summary>
    public int VocabularySize => Bundle.Manifest.DVocab;

    /// <summary>Whether prompts get a BOS: as all dictionaries at the selected sites were trained (SAELens' <c>prepend_bos</c>);
    /// where there is none, what the bundle says, else true.</summary>
    public bool PrependsBos => SelectedSites.Select(s => s.Mlp is null ? Bundle.DictionaryAt(s.Site) : Bundle.TranscoderAt(s.Site))
        .OfType<BundleManifest.DictionaryRecord>()
        .Select(d => d.PrependBos)
        .DefaultIfEmpty(Bundle.Manifest.PrependBos ?? true)
        .All(b => b);

    /// <summary>SHA-256 of bundle.json in 64 lower-case hexadecimal digits, which holds the hashes of all files.</summary>
    public string BundleHash { get; }

    internal static string HashOf(string bundle) =>
        Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(
            RegularFile.ReadAllBytes(System.IO.Path.Combine(bundle, BundleManifest.FileName))));

    /// <summary>Device, threads, memory budget and cancellation of everything that the model runs.</summary>
    public RunContext Context { get; }

    /// <summary>Whether transcoders stand for MLPs: everything that is differentiated is then the local replacement model of a prompt.
    /// </summary>
    public bool IsReplaced => ReplacementInputs.Count > 0;

    internal ModelBundle Bundle { get; }

    /// <summary>What is differentiated: the model, or with MLPs replaced (<see cref="ReplacedGraph"/>).</summary>
    internal OnnxGraph Graph { get; }

    /// <summary>What the replaced graph is given of a prompt beside its tokens.</summary>
    internal IReadOnlyList<Value> ReplacementInputs { get; } = [];
    internal IReadOnlyList<Value> AllSites { get; }

    /// <summary><see cref="Selected"/> with their tensors and dictionaries.</summary>
    internal IReadOnlyList<SelectedSite> SelectedSites { get; }

    /// <summary>The selected sites' tensors, where the graph is cut.</summary>
    internal IReadOnlyList<Value> SelectedValues { get; }
    internal DictionaryEncoder Encoder { get; }

    /// <summary>The model cut at every site, for passes that change something.</summary>
    internal SegmentedModel Steps => _steps.Value;

    /// <summary>Some selected site's W_enc does not stay mapped, so it is better read for all that will be asked of it at once.</summary>
    internal bool HasLargeEncoders => SelectedSites.Any(s => s.Dictionary is { HasLargeEncoder: true });

    /// <summary>The dictionary of a selected site; null where it has none.</summary>
    internal SparseDictionary? DictionaryOf(Site site) => _selected.GetValueOrDefault(site)?.Dictionary;

    /// <summary>A selected site with its tensor and dictionary; null where it is not selected.</summary>
    internal SelectedSite? SelectedSite(Site site) => _selected.GetValueOrDefault(site);

    /// <summary>The selected site that a tensor of the model is; null where it is none.</summary>
    internal SelectedSite? SelectedSite(Value tensor) => _selectedByTensor.GetValueOrDefault(tensor);

    /// <summary>What a later room makes of this model once and keeps with it: sessions, which are disposed with the model.</summary>
    internal T Owned<T>(Func<LoadedModel, T> make) where T : class, IDisposable
    {
        lock (_owned)
        {
            if (_owned.TryGetValue(typeof(T), out var made)) return (T)made;
            var fresh = make(this);
            _owned.Add(typeof(T), fresh);
            return fresh;
        }
    }

    /// <summary>A site's index among the bundle's.</summary>
    /// <exception cref="BundleException">There is no such site.</exception>
    internal int SiteIndex(string site) => Bundle.SiteIndex(site);

    /// <summary>Width of a site: d_model, or for <c>hook_z</c> that of all heads together.</summary>
    internal int WidthOf(Site site) =>
        (int)(Graph[site.Name].Shape![^1].Size
            ?? throw new AttributionException($"{site} has no fixed width in {Bundle.GraphPath}; export the bundle again"));

    /// <exception cref="AttributionException">There is no token, too many, or one that is no token id.</exception>
    internal void RequireTokens(IReadOnlyList<int> tokens)
    {
        if (tokens.Count == 0)
        {
            throw new AttributionException("the prompt has no tokens; give one with text in it") { Settings = [Setting.Prompt] };
        }
        if (tokens.Count > ContextLength)
        {
            throw new AttributionException($"the prompt has {tokens.Count} tokens, the model's context holds {ContextLength}; shorten it");
        }
        foreach (var t in tokens)
        {
            if (t < 0 || t >= VocabularySize)
            {
                throw new AttributionException(
                    $"the prompt's token {t} is no token id; ids are 0 to {VocabularySize - 1}: check that the tokenizer is the model's");
            }
        }
    }

    /// <exception cref="AttributionException">The patch prompt has another number of tokens than the prompt.</exception>
    internal static void RequireEquallyLong(int tokens, int patchTokens)
    {
        if (patchTokens != tokens)
        {
            throw new AttributionException($"the prompt has {tokens} tokens, the patch prompt {patchTokens}; they must be equally long");
        }
    }

    /// <exception cref="AttributionException">A prompt of that many tokens has no such position.</exception>
    internal void RequirePosition(int position, int tokens)
    {
        if (position < 0 || position >= tokens)
        {
            throw new AttributionException($"position {position} is outside the prompt, whose tokens are 0 to {tokens - 1}")
            {
                Settings = [Setting.Position]
            };
        }
    }

    /// <summary>A session of a graph over the model's weights; the caller's.</summary>
    // weights laid out or not: at GPT-2-small's shape 1.0 + 2.8 s once for passes and segments, against 0.04 + 0.05 s for every prompt
    internal GraphRunner Runner(OnnxGraph graph) => new(graph, Context, Bundle.Directory, prepack: PacksWeights);

    /// <summary>Closes the sessions and unmaps the weights.</summary>
    public void Dispose()
    {
        if (_steps.IsValueCreated) _steps.Value.Dispose();
        foreach (var owned in _owned.Values) owned.Dispose();
        foreach (var site in SelectedSites) site.Dictionary?.Dispose();
        Encoder.Dispose();
    }
}
