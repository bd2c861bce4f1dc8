using System.Globalization;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Lenses;

/// <summary>What attention heads write: an attention output is Σ_h z_h W_O[h] + b_O. A direction is pulled back from it to z once for
/// all heads of a layer, by the rules of <see cref="GradientRules.Frozen"/>: a norm behind W_O, as Gemma 2 has it, counts with its scale.
/// Kept with its model, which disposes it.</summary>
internal sealed class LensHeads : IDisposable
{
    private const string Direction = "lens.direction", Written = "lens.written.", Pulled = "lens.pulled.";

    private const double MostOff = 1e-2;

    private readonly LoadedModel _model;
    private readonly Value[] _z;
    private readonly GraphRunner _runner;

    private LensHeads(LoadedModel model)
    {
        _model = model;
        var layers = model.Bundle.Manifest.NLayers;
        _z = [.. Enumerable.Range(0, layers).Select(Outputs)];
        Heads = [.. _z.Select(HeadsOf)];
        var g = new GraphBuilder("lens/");
        var direction = g.Input(Direction, DataType.Float, Dim.Of(1), Dim.Of(1), Dim.Named("position"),
            Dim.Of(model.WidthOf(model.Bundle.Sites[^1])));
        var outputs = new List<Value>();
        for (var l = 0; l < layers; l++)
        {
            var written = model.Graph[Output(l)];
            outputs.Add(g.Identity(written, Written + l));
            outputs.Add(g.Identity(PullBack.FromWhole(new WalkScope(g, GradientRules.Frozen, [_z[l]]), written, direction, [_z[l]])[_z[l]],
                Pulled + l));
        }
        _runner = model.Runner(new OnnxGraph([.. _z, direction], outputs));
    }

    /// <exception cref="AttributionException">The graph does not say what heads write.</exception>
    public static LensHeads Of(LoadedModel model) => model.Owned(m => new LensHeads(m));

    /// <summary>What the heads of a layer read from the values.</summary>
    public static string Hook(int layer) => $"blocks.{layer}.attn.hook_z";

    private static string Output(int layer) => $"blocks.{layer}.hook_attn_out";

    /// <summary>How many heads each layer has.</summary>
    public IReadOnlyList<int> Heads { get; }

    /// <summary>Directions at a layer's attention output, as directions at its z.</summary>
    /// <param name="direction">[positions, d].</param>
    /// <returns>By layer, [positions, heads · d_head].</returns>
    public float[][] PullBackTo(LensPass pass, float[] direction, int first)
    {
        var positions = direction.Length / _model.WidthOf(_model.Bundle.Sites[^1]);
        using var result = Run(l => Rows(pass, l, first, positions), direction, positions, Pulled);
        return [.. _z.Select((_, l) => result.Copy(Pulled + l))];
    }

    /// <summary>b_O by layer, [d]: what attention writes of heads that read nothing.</summary>
    public float[][] Biases()
    {
        using var result = Run(l => new float[WidthOf(l)], new float[_model.WidthOf(_model.Bundle.Sites[^1])], 1, Written);
        return [.. _z.Select((_, l) => result.Copy(Written + l))];
    }

    /// <summary>Refuses heads and bias that do not add up to what attention writes.</summary>
    /// <exception cref="AttributionException">They do not, by more than rounding.</exception>
    public void RequireSum(int layer, double sum, double whole)
    {
        if (Math.Abs(sum - whole) <= MostOff * Math.Max(1, Math.Abs(whole))) return;
        throw Refused(string.Create(CultureInfo.InvariantCulture,
            $"computes {Output(layer)} from its heads, which add up to {sum:G4}, otherwise than as a sum: it is {whole:G4}"));
    }

    public void Dispose() => _runner.Dispose();

    private RunResult Run(Func<int, float[]> z, float[] direction, int positions, string wanted)
    {
        using var feed = new Feed().Add(Direction, direction, 1, 1, positions, direction.Length / positions);
        for (var l = 0; l < _z.Length; l++)
        {
            long[] shape = _z[l].Rank == 4 ? [1, positions, Heads[l], WidthOf(l) / Heads[l]] : [1, positions, WidthOf(l)];
            feed.Add(_z[l].Name, z(l), shape);
        }
        return _runner.Run(feed.Values, [.. _z.Select((_, l) => wanted + l)]);
    }

    private float[] Rows(LensPass pass, int layer, int first, int positions) =>
        pass.All(Hook(layer)).Slice(first * WidthOf(layer), positions * WidthOf(layer)).ToArray();

    private int WidthOf(int layer) => (int)_z[layer].Shape!.Skip(2).Aggregate(1L, (n, d) => n * d.Size!.Value);

    private int HeadsOf(Value z) => z.Shape is [_, _, { Size: { } heads }, _] ? (int)heads : _model.Bundle.Manifest.NHeads;

    // a hook is a name for a value; what the model goes on with may be what it names
    private Value Outputs(int layer)
    {
        foreach (var hook in (string[])[Hook(layer), Output(layer)])
        {
            if (!_model.Graph.Values.ContainsKey(hook)) throw Refused($"names no tensor {hook}");
        }
        var z = _model.Graph[Hook(layer)];
        while (z.Producer is { Type: "Identity" } same) z = same.In[0]!;
        var heads = _model.Bundle.Manifest.NHeads;
        var isSplit = z.Shape is [_, _, { Size: not null }, { Size: not null }]
            || (z.Shape is [_, _, { Size: { } width }] && heads > 0 && width % heads == 0);
        var output = _model.Graph[Output(layer)];
        var axes = PushForward.PositionWise(GradientRules.Frozen, new Dictionary<Value, int> { [z] = 1 }, [z], output);
        if (!isSplit || axes.GetValueOrDefault(output, -1) != 1 || Topology.ReadBy([output], [z], []).Any(v => v != z))
        {
            throw Refused($"does not compute {Output(layer)} from {Hook(layer)} alone, head by head");
        }
        return z;
    }

    private AttributionException Refused(string why) => new($"{_model.Directory} {why}, so that what its heads write is not known; leave "
        + "heads out, or name the tensor among the hooks of its sites file")
    {
        Settings = [Setting.Heads]
    };
}
