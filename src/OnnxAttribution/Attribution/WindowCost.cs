using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Attribution;

/// <summary>
/// What prompts take that are run side by side (<see cref="PromptGraphs"/>), counted from what each takes alone.
/// 1. Passes: prompts of one length share calls (<see cref="BatchedPass"/>), and weights are read once a call.
/// 2. Dictionaries and their columns are read once for all.
/// 3. The rest is each prompt's own, as many at once as there are lanes.
/// </summary>
internal sealed class WindowCost
{
    // dense activations of one call of an encoder
    private const long MostDense = 256L << 20;

    private readonly LoadedModel _model;
    private readonly IReadOnlyList<PromptCost> _prompts;
    private readonly GraphOptions _options;
    private readonly ExpectedNodes _expected;
    private readonly List<int[]> _calls;
    private readonly bool _isShared;

    /// <param name="asked">Options as they count for the model, and what is expected of the prompts.</param>
    /// <param name="prompts">In the window's order.</param>
    public WindowCost(LoadedModel model, (GraphOptions Options, ExpectedNodes Expected) asked, IReadOnlyList<PromptCost> prompts)
    {
        (_model, _prompts, (_options, _expected)) = (model, prompts, asked);
        _isShared = prompts.Count > 1 && PromptGraphs.IsShared(model, _options);
        int[] patched = [.. Enumerable.Range(0, prompts.Count).Where(i => prompts[i].HasPatch)];
        List<int[]> Calls(int[] places) => [.. BatchedPass.Calls([.. places.Select(i => prompts[i].Tokens)])
            .Select(call => Array.ConvertAll(call, i => places[i]))];
        _calls = _isShared ? [.. Calls([.. Enumerable.Range(0, prompts.Count)]), .. Calls(patched)] : [];
        Stages = [.. prompts[0].Stages.Select((stage, i) => Of(i, stage.Name))];
    }

    /// <summary>As of a prompt, of all of them.</summary>
    public IReadOnlyList<StageCost> Stages { get; }

    /// <summary>Floating-point operations that the prompts' <see cref="CausalGraph.Operations"/> say together.</summary>
    public long Operations => Stages.Sum(s => s.Operations);

    /// <summary>Whether nodes are really moved.</summary>
    public bool MovesNodes => Stages.Any(s => s is { Name: "node effects", Operations: > 0 });

    private StageCost Of(int stage, string name)
    {
        var operations = _prompts.Sum(p => p.Stages[stage].Operations);
        var bytes = _prompts.Sum(p => p.Stages[stage].Bytes);
        if (!_isShared) return new(name, operations, bytes);
        return name switch
        {
            "passes" => new(name, _calls.Sum(c => c.Sum(i => PassOperations(i, c.Length))), _calls.Count * OfOneRun(stage)),
            "dictionaries" => new(name, operations, OfOneRun(stage)),
            "cotangents" => new(name, operations, _prompts.Max(p => p.Stages[stage].Bytes)),
            _ => new(name, operations, bytes),
        };
    }

    // bytes of weights that clean and patch run read alike
    private long OfOneRun(int stage) => _prompts.Max(p => p.Stages[stage].Bytes / (p.HasPatch ? 2 : 1));

    // of one of the prompt's passes, which is run alone where no other is as long
    private long PassOperations(int prompt, int together)
    {
        var p = _prompts[prompt];
        return (together > 1 ? p.SharedPassOperations : p.Stages[0].Operations) / (p.HasPatch ? 2 : 1);
    }

    private OnnxGraph Batch => GradientGraphs.Of(_model).BatchGraph(GradientGraphs.PassKind(_options), _options.Estimator);

    private OnnxGraph Pass => GradientGraphs.Of(_model).PassGraph(GradientGraphs.PassKind(_options), _options.Estimator).Graph;

    /// <summary>Bytes of weights that sessions lay out or turn, once.</summary>
    public long LaidOutBytes
    {
        get
        {
            if (!_calls.Exists(c => c.Length > 1)) return _prompts.Max(p => p.LaidOutBytes);
            var (pass, batch) = (LiveMemory.Copies(Pass, _model.PacksWeights), LiveMemory.Copies(Batch, _model.PacksWeights));
            // the session of passes that are run alone is made where there are such
            return _prompts.Max(p => p.LaidOutBytes) + batch - (_calls.Exists(c => c.Length == 1) ? 0 : pass);
        }
    }

    /// <summary>All of it by what it is for, in so many lanes.</summary>
    public IReadOnlyList<PlannedMemory> Memory(int lanes)
    {
        lanes = Math.Min(lanes, _prompts.Count);
        // the largest that are at work at once
        long Most(Func<PromptMemory, long> of) => _prompts.Select(p => of(p.Held)).OrderDescending().Take(lanes).Sum();
        long All(Func<PromptMemory, long> of) => _isShared ? _prompts.Sum(p => of(p.Held)) : Most(of);
        var passes = _isShared ? _calls.Select(c => c.Length > 1 ? c.Sum(i => _prompts[i].Held.SharedPass) : _prompts[c[0]].Held.Pass)
            .OrderDescending().Take(lanes).Sum() : Most(h => h.Pass);
        return
        [
            .. GraphMemory.Weights(_model, _expected.Distinct(_model, Positions), Pass, LaidOutBytes),
            new("passes", passes + All(h => h.Activations)),
            new("dictionaries", _isShared ? Dictionaries(lanes)
                : lanes * _prompts.Max(p => p.Memory.Single(m => m.Name == "dictionaries").Bytes)),
            new("nodes", All(h => h.Nodes)),
            new("edges", Most(h => h.Edges)),
            new("edges found", Most(h => h.Found)),
        ];
    }

    // of clean and patch runs
    private long Positions => _prompts.Sum(p => (long)p.Tokens * (p.HasPatch ? 2 : 1));

    // as SiteExpansion reads them: decoder rows and columns stay as far as the budget goes, and those of a site in each lane beyond it
    private long Dictionaries(int lanes)
    {
        var positions = Positions;
        var budget = _model.Context.MemoryBudget;
        long Kept(IEnumerable<long> bytes)
        {
            var sites = bytes.OrderDescending().ToList();
            return Math.Min(sites.Sum(), budget + sites.Take(lanes).Sum());
        }
        List<(SparseDictionary Dictionary, long Features)> found = [.. _expected.Distinct(_model, positions)
            .Where(d => d.Site.Dictionary is not null).Select(d => (d.Site.Dictionary!, d.Features))];
        var decoded = Kept(found.Where(d => !d.Dictionary.LendsDecoder)
            .Select(d => sizeof(float) * d.Features * d.Dictionary.OutputWidth * d.Dictionary.OutputLayers));
        var columns = _model.HasLargeEncoders ? Kept(found.Where(d => !d.Dictionary.LendsColumns)
            .Select(d => sizeof(float) * d.Features * d.Dictionary.Width)) : 0;
        var errors = 2 * sizeof(float) * positions * _model.SelectedSites.Sum(s => s.Width);
        var dense = found.Select(d => Math.Min(MostDense, sizeof(float) * positions * d.Dictionary.FeatureCount)).DefaultIfEmpty(0).Max();
        return decoded + columns + errors + (lanes * dense) + GraphMemory.Converted(_model);
    }
}
