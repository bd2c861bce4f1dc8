using System.Numerics.Tensors;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Attribution;

/// <summary>What a prompt's runs leave, and its sites expanded: where effects, edges and exact checks of both start from.</summary>
internal sealed class PatchingState
{
    private readonly Dictionary<Estimator, ModelPass> _passes = [];
    private readonly Dictionary<(Estimator, int Steps), float[][]> _gradients = [];

    private readonly Dictionary<(Estimator, int Steps), long> _pathOperations = [];
    private readonly LocalReplacement? _replacement, _patchReplacement;

    private PatchingState(LoadedModel model, Metric metric, Estimator estimator, (ModelPass Clean, ModelPass? Patch) passes,
        (LocalReplacement? Clean, LocalReplacement? Patch) replacements)
    {
        var (clean, patch) = passes;
        (Model, Metric, Clean, Patch) = (model, metric, clean, patch);
        (_replacement, _patchReplacement) = replacements;
        _passes[estimator] = clean;
        Operations = clean.Operations * (patch is null ? 1 : 2);
    }

    public LoadedModel Model { get; }

    /// <summary>The model that effects and edges are of.</summary>
    public MovedModel ModelOfGraph => Model.IsReplaced ? MovedModel.Replacement : MovedModel.Real;

    public int[] Tokens => Clean.Tokens;
    public Metric Metric { get; }
    public ModelPass Clean { get; }

    /// <summary>null: zero ablation.</summary>
    public ModelPass? Patch { get; }

    /// <summary>The selected sites, in the order of computation.</summary>
    public IReadOnlyList<SiteEffects> Sites { get; private set; } = [];

    /// <summary>A selected site of <see cref="Sites"/>.</summary>
    public SiteEffects SiteAt(Site site) => Sites[Model.SelectedSite(site)!.Index];

    /// <summary>The selected site that a tensor of the model is.</summary>
    public SiteEffects SiteAt(Value tensor) => Sites[Model.SelectedSite(tensor)!.Index];

    /// <summary>Floating-point operations of the passes and the dictionaries.</summary>
    public long Operations { get; private set; }

    /// <summary>Of expanding the sites, seconds that went into encoder columns.</summary>
    public double ColumnSeconds { get; private set; }

    /// <summary>Metric of the clean run: 0 for <see cref="MetricKind.Kl"/>.</summary>
    public float CleanMetric => Metric.Kind == MetricKind.Kl ? 0 : Clean.Metric;

    /// <summary>Metric of the patch run; NaN without one.</summary>
    public float PatchMetric =>
        Patch is null ? float.NaN : Metric.Kind == MetricKind.Kl ? (float)Metric.Evaluate(Patch.Logits, 1, Clean.Logits)[0] : Patch.Metric;

    /// <summary>Clean and patch run. What is asked for is checked before anything is run.</summary>
    /// <exception cref="AttributionException">What was asked cannot be: lengths differ, a position or token is out of range.</exception>
    public static PatchingState Run(LoadedModel model, int[] tokens, int[]? patchTokens, GraphOptions options)
    {
        Check(model, tokens, patchTokens, options);
        var replacement = LocalReplacement.Of(model, tokens);
        var patchReplacement = patchTokens is null ? null : LocalReplacement.Of(model, patchTokens);
        var clean = ModelPass.Run(model, tokens, options.Metric, options.Estimator, replacement);
        var metric = new Metric(options.Metric.Kind, options.Metric.Position ?? tokens.Length - 1, clean.Target, clean.Foil);
        var patch = patchTokens is null
            ? null
            : ModelPass.Run(model, patchTokens, MetricRequest.Of(metric), options.Estimator, patchReplacement);
        return new PatchingState(model, metric, options.Estimator, (clean, patch), (replacement, patchReplacement));
    }

    /// <summary>As <see cref="Run"/>, of prompts of the model itself, side by side.</summary>
    /// <param name="prompts">Of one kind of metric, position and estimator.</param>
    /// <returns>By prompt; a failure is its own.</returns>
    public static Outcome<PatchingState>[] RunAll(LoadedModel model, IReadOnlyList<PromptRequest> prompts)
    {
        var (kind, estimator) = (prompts[0].Options.Metric.Kind, prompts[0].Options.Estimator);
        var found = prompts.Select(p => Outcome<PromptRequest>.Of(() =>
        {
            Check(model, p.Tokens, p.Patch, p.Options);
            return p;
        })).ToArray();
        int[] sound = [.. Enumerable.Range(0, found.Length).Where(i => found[i].Found is not null)];
        var clean = BatchedPass.Run(model, [.. sound.Select(i => (prompts[i].Tokens, prompts[i].Options.Metric))], estimator);
        var states = found.Select(f => new Outcome<PatchingState>(null, f.Failure)).ToArray();
        var metrics = new Metric?[found.Length];
        for (var n = 0; n < sound.Length; n++)
        {
            var (i, pass) = (sound[n], clean[n]);
            if (pass.Found is not { } run)
            {
                states[i] = new(null, pass.Failure);
                continue;
            }
            metrics[i] = new Metric(kind, prompts[i].Options.Metric.Position ?? run.Tokens.Length - 1, run.Target, run.Foil);
            states[i] = new(new PatchingState(model, metrics[i]!, estimator, (run, null), (null, null)), null);
        }
        int[] patched = [.. sound.Where(i => states[i].Found is not null && prompts[i].Patch is not null)];
        var patches = BatchedPass.Run(model, [.. patched.Select(i => (prompts[i].Patch!, MetricRequest.Of(metrics[i]!)))], estimator);
        for (var n = 0; n < patched.Length; n++)
        {
            var i = patched[n];
            var before = states[i].Found!;
            states[i] = patches[n].Then(patch => new PatchingState(model, metrics[i]!, estimator, (before.Clean, patch), (null, null)));
        }
        return states;
    }

    /// <summary>Encodes every selected site and finds its nodes.</summary>
    /// <inheritdoc cref="SiteExpansion" path="/param"/>
    public void Expand(long columnBudget = 0, long preBudget = 0)
    {
        var expansion = new SiteExpansion(Model, [(Clean, Patch)], columnBudget, preBudget);
        var own = new Queue<SiteEffects>(expansion.Run()[0]);
        Take([.. Model.SelectedSites.Select(s => Replaced(s) ?? own.Dequeue())]);
        ColumnSeconds = expansion.ColumnSeconds;
    }

    /// <summary>As <see cref="Expand(long, long)"/>, of prompts side by side, none of them of a replacement model.</summary>
    /// <inheritdoc cref="SiteExpansion" path="/param"/>
    public static void ExpandAll(LoadedModel model, IReadOnlyList<PatchingState> prompts, long columnBudget)
    {
        var expansion = new SiteExpansion(model, [.. prompts.Select(p => (p.Clean, p.Patch))], columnBudget, preBudget: 0);
        var sites = expansion.Run();
        for (var p = 0; p < prompts.Count; p++)
        {
            prompts[p].Take(sites[p]);
            prompts[p].ColumnSeconds = expansion.ColumnSeconds / prompts.Count;
        }
    }

    private void Take(SiteEffects[] sites)
    {
        var first = 0;
        foreach (var site in sites)
        {
            site.FirstNode = first;
            first += site.Nodes.Count;
        }
        Sites = sites;
        SiteEffects.Join(sites);
        Operations += sites.Where(s => s.Dictionary is not null)
            .Sum(s => DictionaryEncoder.Operations(s.Dictionary!, Tokens.Length) * (Patch is null ? 1 : 2));
    }

    /// <summary>Reads the encoder columns of all nodes, site by site while they fit, so that nobody reads them twice.</summary>
    public void ReadColumns()
    {
        var budget = Model.Context.MemoryBudget / 2;
        foreach (var site in Sites)
        {
            budget -= sizeof(float) * (long)site.Width * site.Nodes.Count;
            if (budget < 0) return;
            if (site.Dictionary is not null) site.NodeColumns(Model.Context.Threads);
        }
    }

    /// <summary>Gives every site the gradient that a method and an estimator take effects and edges from.
    /// The method <see cref="EffectMethod.Exact"/> has the clean run's.</summary>
    public void UseGradients(EffectMethod method, Estimator estimator, int steps)
    {
        var key = (estimator, method == EffectMethod.Ig ? steps : 0);
        if (!_gradients.TryGetValue(key, out var gradients))
        {
            _gradients[key] = gradients = [.. Sites.Select(s => Gradient(s, estimator, key.Item2))];
        }
        for (var i = 0; i < Sites.Count; i++) Sites[i].Gradient = gradients[i];
    }

    /// <summary>∂m/∂x, [T, d], at the clean run, of a residual site behind the first selected one; null where it has none.</summary>
    public float[]? ResidualGradient(Site site, Estimator estimator) => PassOf(estimator).Gradients.GetValueOrDefault(site.Name);

    /// <summary>Every node with its effect by the sites' gradients, site by site.</summary>
    public List<CausalNode> Effects()
    {
        var nodes = new List<CausalNode>();
        foreach (var site in Sites)
        {
            nodes.AddRange(NodeEffects.Of(site, Model.Context.Threads));
            site.ReleaseDecoders();
        }
        return nodes;
    }

    /// <summary>Floating-point operations of the passes, and of the steps of integrated gradients, that a method and an estimator take
    /// their gradients from; what the sites were given by <see cref="UseGradients"/>.</summary>
    public long GradientOperations(EffectMethod method, Estimator estimator, int steps) =>
        (PassOf(estimator).Operations * (Patch is null ? 1 : 2))
            + (method == EffectMethod.Ig ? _pathOperations.GetValueOrDefault((estimator, steps)) : 0);

    /// <summary>Floating-point operations over those of one forward pass: what an estimate costs, in forward passes.</summary>
    public double InForwardPasses(long operations) => (double)operations / GradientGraphs.Of(Model)
        .ForwardOperations(LocalReplacement.Sizes(Tokens.Length, _replacement));

    /// <summary>The clean run, for passes that change something; the caller's.</summary>
    public ActivationCache Start() => ActivationCache.Of(Model, Tokens, Clean.Sites);

    // steps: of integrated gradients, 0 for the gradient at the clean run
    private float[] Gradient(SiteEffects site, Estimator estimator, int steps)
    {
        if (steps > 0)
        {
            var path = new IntegratedGradients(Model, Clean, Metric);
            var mean = path.Mean(site, estimator, steps);
            _pathOperations[(estimator, steps)] = _pathOperations.GetValueOrDefault((estimator, steps)) + path.Operations;
            return mean;
        }
        return PassOf(estimator).Gradients[site.Site.Name];
    }

    private ModelPass PassOf(Estimator estimator) => _passes.TryGetValue(estimator, out var pass)
        ? pass
        : _passes[estimator] = ModelPass.Run(Model, Tokens, MetricRequest.Of(Metric), estimator, _replacement);

    // null: no transcoder stands there
    private SiteEffects? Replaced(SelectedSite selected)
    {
        if (_replacement?.Of(selected) is not { } clean) return null;
        var patch = _patchReplacement?.Of(selected);
        var change = new float[clean.Encoding.Errors.Length];
        if (patch is null) TensorPrimitives.Negate(clean.Encoding.Errors, change);
        else TensorPrimitives.Subtract(patch.Encoding.Errors, clean.Encoding.Errors, change);
        var state = new SiteEffects(selected)
        {
            Clean = clean.Written,
            Read = clean.Read,
            Patch = patch?.Written,
            CleanEncoding = clean.Encoding,
            PatchEncoding = patch?.Encoding,
            EncoderColumns = clean.Columns,
            Gradient = Clean.Gradients[selected.Site.Name],
            ErrorChange = change,
        };
        state.FindNodes();
        return state;
    }

    private static void Check(LoadedModel model, int[] tokens, int[]? patchTokens, GraphOptions options)
    {
        model.RequireTokens(tokens);
        if (patchTokens is not null)
        {
            LoadedModel.RequireEquallyLong(tokens.Length, patchTokens.Length);
            model.RequireTokens(patchTokens);
        }
        if (options.Metric.Position is { } p) model.RequirePosition(p, tokens.Length);
        options.Metric.RequireTokens(model.VocabularySize);
        if (options is { Method: EffectMethod.Atpstar, Estimator: not Estimator.Gradient })
        {
            throw new AttributionException("the method atpstar has true derivatives, not those of the estimator "
                + $"{EnumName.Of(options.Estimator)}; leave the estimator out, or take the method atp")
            {
                Settings = [Setting.Method]
            };
        }
        if (options is { Metric.Kind: MetricKind.Kl, Method: EffectMethod.Atp or EffectMethod.Atpstar })
        {
            throw new AttributionException("the metric kl has gradient 0 at the clean run, so attribution patching would find nothing; "
                + "use the method ig or exact")
            {
                Settings = [Setting.Method]
            };
        }
        if (options is { Metric.Kind: MetricKind.Kl, Method: EffectMethod.Exact, Edges: EdgeMethod.Exact })
        {
            throw new AttributionException("the metric kl has gradient 0 at the clean run, so exact edges would have no effect; "
                + "use the method ig, or edges of the jacobian")
            {
                Settings = [Setting.Edges]
            };
        }
        MoveRequest.Check(model, options);
        if (options.Steps < 1)
        {
            throw new AttributionException($"{options.Steps} steps are too few; take at least 1") { Settings = [Setting.Steps] };
        }
    }
}
