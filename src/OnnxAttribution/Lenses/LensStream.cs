using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Lenses;

/// <summary>
/// A model's residual stream half layer by half layer, and what it is the sum of, read off the graph in one pass.
/// 1. Halves are the hooks of the stream that the graph names.
/// 2. Summands are what enters block 0, and what each attention and MLP adds. What enters is parted into what depends on the tokens and
///    what on their positions alone.
/// Kept with its model, which disposes it.
/// </summary>
internal sealed class LensStream : IDisposable
{
    /// <summary>Names of what enters block 0, as TransformerLens has them.</summary>
    public const string Embed = Site.Embedding, PosEmbed = "hook_pos_embed";

    private const string Prefix = "lens.";

    private readonly Lazy<GraphRunner> _runner;

    private LensStream(LoadedModel model)
    {
        var (graph, layers) = (model.Graph, model.Bundle.Manifest.NLayers);
        var g = new GraphBuilder("lens/");
        var values = new Dictionary<string, Value>();
        bool Named(string name) => graph.Values.TryGetValue(name, out var v) && (values[name] = v) is not null;
        Halves = [.. HalvesOf(layers).Where(half => Named(half.Site))];
        List<LensSummand> summands = [.. SublayersOf(layers)];
        var missing = summands.Select(s => s.Of!).Prepend(First).Where(name => !Named(name)).ToList();
        if (missing.Count > 0)
        {
            Missing = $"the graph names no {missing[0]}{(missing.Count > 1 ? $", and {missing.Count - 1} more such" : "")}, so the final "
                + "stream is not known as a sum";
        }
        else
        {
            var entering = Entering(g, graph[First], graph[ModelBundle.Tokens]);
            foreach (var (name, value) in entering) values[name] = value;
            Summands = [.. entering.Select(e => OfEmbedding(e.Name)), .. summands];
        }
        foreach (var layer in Enumerable.Range(0, layers)) Named(LensHeads.Hook(layer));
        var outputs = values.Select(v => g.Identity(v.Value, Prefix + v.Key)).ToList();
        _runner = new(() => model.Runner(new OnnxGraph([graph[ModelBundle.Tokens]], outputs)));
    }

    private const string First = "blocks.0.hook_resid_pre";

    public static LensStream Of(LoadedModel model) => model.Owned(m => new LensStream(m));

    /// <summary>Hook names and depths, in the order of computation.</summary>
    public IReadOnlyList<(string Site, double Depth)> Halves { get; }

    /// <summary>Without values; each names its tensor by <see cref="LensSummand.Of"/>. Empty where some is not named.</summary>
    public IReadOnlyList<LensSummand> Summands { get; } = [];

    /// <summary>Which tensor the graph does not name; null: none.</summary>
    public string? Missing { get; }

    /// <summary>One prompt's tensors; the caller's.</summary>
    public LensPass Run(int[] tokens)
    {
        using var feed = new Feed().AddTokens(tokens);
        return new LensPass(_runner.Value.Run(feed.Values, _runner.Value.Outputs), tokens.Length, Prefix);
    }

    public void Dispose()
    {
        if (_runner.IsValueCreated) _runner.Value.Dispose();
    }

    private static IEnumerable<(string Site, double Depth)> HalvesOf(int layers)
    {
        for (var l = 0; l < layers; l++)
        {
            yield return ($"blocks.{l}.hook_resid_pre", l);
            yield return ($"blocks.{l}.hook_resid_mid", l + 0.5);
        }
        yield return ($"blocks.{layers - 1}.hook_resid_post", layers);
    }

    private static IEnumerable<LensSummand> SublayersOf(int layers)
    {
        for (var l = 0; l < layers; l++)
        {
            yield return new(SummandKind.Attn, $"{l}.attn", 0) { Of = $"blocks.{l}.hook_attn_out", Layer = l };
            yield return new(SummandKind.Mlp, $"{l}.mlp", 0) { Of = $"blocks.{l}.hook_mlp_out", Layer = l };
        }
    }

    private static LensSummand OfEmbedding(string name) =>
        name == Embed ? new(SummandKind.Embed, "embed", 0) { Of = name } : new(SummandKind.PosEmbed, "pos_embed", 0) { Of = name };

    // the leaves of the additions that make it, by whether they read the tokens themselves or how many there are
    private static IReadOnlyList<(string Name, Value Value)> Entering(GraphBuilder g, Value first, Value tokens)
    {
        var (read, other, stack) = (new List<Value>(), new List<Value>(), new Stack<Value>([first]));
        while (stack.TryPop(out var v))
        {
            if (v.Producer is { Type: "Identity" } same) stack.Push(same.In[0]!);
            else if (v.Producer is { Type: "Add" } sum) foreach (var x in sum.In) stack.Push(x!);
            else (Reads(v, tokens) ? read : other).Add(v);
        }
        if (other.Count == 0 || read.Count == 0) return [(Embed, first)];
        Value Sum(List<Value> of) => g.Expand(of.Aggregate(g.Add), g.Shape(first));
        return [(Embed, Sum(read)), (PosEmbed, Sum(other))];
    }

    private static bool Reads(Value v, Value tokens)
    {
        var (seen, stack) = (new HashSet<Value>(), new Stack<Value>([v]));
        while (stack.TryPop(out var x))
        {
            if (x == tokens) return true;
            if (!seen.Add(x) || x.Producer is not { } op || op.Type == "Shape") continue;
            foreach (var input in op.In.OfType<Value>()) stack.Push(input);
        }
        return false;
    }
}
