using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Tests.Validation;

/// <summary>Nodes and edges of graphs of transcoders, really moved in the replacement model and in the real one.</summary>
public sealed class ReplacedValidationTests : IDisposable
{
    // float32 against float64, of the largest number of its kind
    private const double Tolerance = 1e-4;

    private const float Share = 0.002f;

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    public static TheoryData<string> Names => [.. TranscoderGolden.Names];

    [Theory, MemberData(nameof(Names))]
    public void Moved_nodes_do_in_either_model_what_pytorch_finds(string name)
    {
        using var golden = TranscoderGolden.Open(name);
        using var model = golden.OpenModel(_directory);
        var state = Expanded(model, golden, null);
        using var clean = state.Start();
        var nodes = state.Effects();
        int[] all = [.. Enumerable.Range(0, nodes.Count)], places = [.. nodes.Select(golden.IndexOf)];
        foreach (var where in Enum.GetValues<MovedModel>())
        {
            var effects = ExactEffects.In(where, state, clean, all);
            Close(golden[$"exact/{where.ToString().ToLowerInvariant()}"], Placed(effects, places), $"{where}");
        }
        Assert.Equal(ExactEffects.In(MovedModel.Replacement, state, clean, all), ExactEffects.Of(state, clean, all));
    }

    [Theory, MemberData(nameof(Names))]
    public void Followed_edges_are_those_of_pytorch(string name)
    {
        using var golden = TranscoderGolden.Open(name);
        using var model = golden.OpenModel(_directory);
        var state = Expanded(model, golden, null);
        using var clean = state.Start();
        var nodes = state.Effects();
        int[] places = [.. nodes.Select(golden.IndexOf)];
        var n = nodes.Count;
        NodePair[] pairs = [.. Enumerable.Range(0, n).SelectMany(u => Enumerable.Range(0, n)
            .Where(d => !nodes[d].IsError && state.Sites.TakeWhile(s => s.Site != nodes[d].Site).Any(s => s.Site == nodes[u].Site))
            .Append(CausalEdge.Metric).Select(d => new NodePair(u, d)))];
        var exact = new ExactEdges(state, clean, nodes).Measure(pairs);
        var (change, metric) = (new double[n * n], new double[n]);
        foreach (var (pair, edge) in pairs.Zip(exact))
        {
            if (pair.Down == CausalEdge.Metric) metric[places[pair.Up]] = edge.Effect;
            else change[(places[pair.Down] * n) + places[pair.Up]] = edge.Change;
        }
        Close(golden["exact/change"], change, "change");
        Close(golden["exact/metric"], metric, "metric");
    }

    /// <summary>Central differences: a step of 0.2 % of each node's value.</summary>
    [Theory, InlineData("transcoders-plt"), InlineData("transcoders-clt-rms"), InlineData("transcoders-phi")]
    public void Small_moves_do_what_gradients_of_either_model_say(string name)
    {
        using var golden = TranscoderGolden.Open(name);
        using var model = golden.OpenModel(_directory);
        var state = Expanded(model, golden, golden.Tokens);
        using var clean = state.Start();
        using var real = LoadedModel.OpenSelected(_directory["bundle"], new ModelSelection(["mlp", Site.Embedding]),
            new RunContext(threads: 1));
        var inReal = ModelPass.Run(real, golden.Tokens, golden.Metric).Gradients;
        var gradients = new Dictionary<MovedModel, Dictionary<string, float[]>>
        {
            [MovedModel.Replacement] = state.Sites.ToDictionary(s => s.Site.Name, s => s.Gradient),
            [MovedModel.Real] = state.Sites.ToDictionary(s => s.Site.Name, s => inReal[s.Site.Name]),
        };
        int[] all = [.. Enumerable.Range(0, state.Effects().Count)];
        foreach (var (where, of) in gradients)
        {
            double[] expected = [.. state.Sites.SelectMany(s => s.Nodes.Select(n => Along(s, n, of)))];
            Shift(state, Share);
            var up = ExactEffects.In(where, state, clean, all);
            Shift(state, -Share);
            var down = ExactEffects.In(where, state, clean, all);
            double[] found = [.. up.Zip(down, (u, d) => (u - d) / 2)];
            // what the step's third power leaves, and float32's rounding of the metric over so small a change
            Close(expected, found, $"{where}", 5e-3);
        }
    }

    [Theory, MemberData(nameof(Names))]
    public void What_nothing_but_the_metric_reads_moves_it_alike_in_either_model_and_along_its_edge(string name)
    {
        using var golden = TranscoderGolden.Open(name);
        using var model = golden.OpenModel(_directory);
        var state = Expanded(model, golden, null);
        using var clean = state.Start();
        var nodes = state.Effects();
        var last = state.Sites[^1];
        int[] ends = [.. Enumerable.Range(last.FirstNode, last.Nodes.Count)];
        var alone = ExactEffects.Of(state, clean, ends);
        var along = new ExactEdges(state, clean, nodes).Measure([.. ends.Select(i => new NodePair(i, CausalEdge.Metric))]);
        var real = ExactEffects.In(MovedModel.Real, state, clean, ends);
        var largest = alone.Max(Math.Abs);
        Assert.All(alone.Zip(along, real), e => Assert.InRange(e.First - e.Second.Effect, -1e-5 * largest, 1e-5 * largest));
        Assert.All(alone.Zip(real), e => Assert.InRange(e.First - e.Second, -1e-5 * largest, 1e-5 * largest));
    }

    [Theory, MemberData(nameof(Names))]
    public void A_patch_prompt_that_is_the_prompt_moves_nothing(string name)
    {
        using var golden = TranscoderGolden.Open(name);
        using var model = golden.OpenModel(_directory);
        var state = Expanded(model, golden, golden.Tokens);
        using var clean = state.Start();
        int[] all = [.. Enumerable.Range(0, state.Effects().Count)];
        foreach (var where in Enum.GetValues<MovedModel>())
        {
            Assert.All(ExactEffects.In(where, state, clean, all), e => Assert.Equal(0, e));
        }
    }

    private static PatchingState Expanded(LoadedModel model, TranscoderGolden golden, int[]? patch)
    {
        var state = PatchingState.Run(model, golden.Tokens, patch, new GraphOptions(golden.Metric));
        state.Expand();
        return state;
    }

    // of a share of the node's clean value
    private static double Along(SiteEffects site, (int Position, int Feature) node, Dictionary<string, float[]> gradients)
    {
        var (row, sum) = (new float[site.Width], 0.0);
        if (node.Feature == CausalNode.Error)
        {
            site.CleanEncoding.Error(node.Position).CopyTo(row);
            return Share * Dot(gradients[site.Site.Name], node.Position, row);
        }
        foreach (var written in site.Written)
        {
            site.Tangent(node.Position, node.Feature, written, row);
            sum += Dot(gradients[written.Site.Name], node.Position, row);
        }
        return Share * site.CleanEncoding.ActivationOf(node.Position, node.Feature) * sum;
    }

    private static double Dot(float[] gradient, int position, float[] row) =>
        row.Select((v, i) => (double)v * gradient[(position * row.Length) + i]).Sum();

    // the patch run is the clean one: what nodes move to is written into it
    private static void Shift(PatchingState state, float share)
    {
        foreach (var site in state.Sites)
        {
            for (var t = 0; t < site.CleanEncoding.Positions; t++)
            {
                for (var i = 0; i < site.CleanEncoding.Activations[t].Length; i++)
                {
                    site.PatchEncoding!.Activations[t][i] = (1 + share) * site.CleanEncoding.Activations[t][i];
                }
            }
            for (var i = 0; i < site.ErrorChange.Length; i++) site.ErrorChange[i] = share * site.CleanEncoding.Errors[i];
        }
    }

    private static double[] Placed(float[] values, int[] places)
    {
        var placed = new double[places.Length];
        foreach (var (value, place) in values.Zip(places)) placed[place] = value;
        return placed;
    }

    private static void Close(double[] expected, double[] actual, string what, double tolerance = Tolerance)
    {
        var scale = expected.Max(Math.Abs);
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance * scale, $"{what}[{i}]: {expected[i]} expected, {actual[i]} found");
        }
    }
}
