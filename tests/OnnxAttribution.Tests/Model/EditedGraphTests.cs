using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Model;

/// <summary>The model as one graph with edits gives what a pass gives that stops at every site, features being scaled and set at several.
/// </summary>
public sealed class EditedGraphTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory, InlineData("random2-all-zero"), InlineData("random2-kinds-zero"), InlineData("llama2-all-zero"),
        InlineData("gemma2-all-zero"), InlineData("neox2-all-zero"), InlineData("gemma3-all-zero"), InlineData("opt-all-zero")]
    public void Edits_of_every_kind_of_dictionary_are_those_of_a_pass(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var model = golden.OpenModel(_directory);
        Compare(model, golden.Tokens, 1e-4);
    }

    [Fact]
    public void Edits_of_the_embedded_model_are_those_of_a_pass()
    {
        using var model = LoadedModel.Open(Repository.TinyModel, null, new RunContext());
        Compare(model, [.. model.Tokenizer.Encode("Copyright (C) 2003 Free")], 1e-4);
    }

    [Fact]
    public void The_graph_runs_from_one_file_of_the_weights_that_it_needs()
    {
        using var model = LoadedModel.Open(Repository.TinyModel, null, new RunContext());
        int[] tokens = [.. model.Tokenizer.Encode("Copyright (C")];
        var edited = EditedGraph.Of(model, Active(model, tokens, 3));
        var packed = PackedGraph.Of(edited.Graph, model.Directory);
        File.WriteAllBytes(_directory[PackedGraph.WeightsName], [.. packed.WeightParts(100_000, default).SelectMany(p => p)]);
        Assert.Equal(packed.WeightBytes, new FileInfo(_directory[PackedGraph.WeightsName]).Length);
        Assert.InRange(packed.WeightBytes, 1, new DirectoryInfo(model.Directory).EnumerateFiles("*.safetensors",
            SearchOption.AllDirectories).Sum(f => f.Length));
        File.WriteAllBytes(_directory["model.onnx"], packed.Model);
        var nothing = Ones(tokens.Length * edited.Features.Count);
        using var runner = new GraphRunner(OnnxFile.Read(_directory["model.onnx"]), model.Context, _directory["."]);
        using var there = new GraphRunner(edited.Graph, model.Context, model.Directory);
        var (here, one) = (Run(runner, edited, tokens, nothing, new float[nothing.Length]),
            Run(there, edited, tokens, nothing, new float[nothing.Length]));
        Assert.Equal(one.Logits, here.Logits);
        Assert.Equal(one.Activations, here.Activations);
    }

    private static void Compare(LoadedModel model, int[] tokens, double tolerance)
    {
        var features = Active(model, tokens, 3);
        var edited = EditedGraph.Of(model, features.Reverse().ToArray());
        Assert.Equal(features, edited.Features);
        Assert.True(edited.Features.Select(f => f.Site).Distinct().Count() > 1);
        var (scale, offset) = (Ones(tokens.Length * features.Length), new float[tokens.Length * features.Length]);
        var random = new Random(7);
        var edits = new List<(int Column, int Position, float Scale, float Offset)>();
        for (var c = 0; c < features.Length; c += 2)
        {
            var position = random.Next(tokens.Length);
            var sets = random.Next(2) == 1;
            var edit = (Column: c, Position: position, Scale: sets ? 0 : random.Next(4) - 1f, Offset: sets ? 0.75f : 0);
            (scale[(position * features.Length) + c], offset[(position * features.Length) + c]) = (edit.Scale, edit.Offset);
            edits.Add(edit);
        }
        using var runner = new GraphRunner(edited.Graph, model.Context, model.Directory);
        foreach (var changes in (bool[])[false, true])
        {
            using var clean = ActivationCache.Of(model, tokens);
            using var pass = clean.Intervene(1);
            var activations = new float[tokens.Length * features.Length];
            foreach (var site in pass)
            {
                Read(model, site, features, activations);
                foreach (var e in edits.Where(e => changes && features[e.Column].Site == site.Site))
                {
                    if (e.Offset == 0) site.Scale(features[e.Column].Feature, e.Scale, e.Position);
                    else site.Set(features[e.Column].Feature, e.Offset, e.Position);
                }
            }
            var logits = pass.Logits(tokens.Length - 1);
            var result = Run(runner, edited, tokens, changes ? scale : Ones(scale.Length), changes ? offset : new float[scale.Length]);
            Close(logits, result.Logits, tolerance);
            Close(activations, result.Activations, tolerance);
        }
    }

    private static void Read(LoadedModel model, SiteStop site, (Site Site, int Feature)[] features, float[] activations)
    {
        var rows = model.Encoder.Encode(model.DictionaryOf(site.Site), site.Value, site.Positions);
        foreach (var (c, f) in features.Index().Where(f => f.Item.Site == site.Site))
        {
            for (var t = 0; t < site.Positions; t++) activations[(t * features.Length) + c] = rows.ActivationOf(t, f.Feature);
        }
    }

    // some of each site: the strongest, and one that is active nowhere
    private static (Site Site, int Feature)[] Active(LoadedModel model, int[] tokens, int each)
    {
        using var clean = ActivationCache.Of(model, tokens);
        return [.. model.SelectedSites.Where(s => s.Dictionary is not null).SelectMany(s =>
        {
            var encoded = clean.Encode(s.Site);
            var strength = Enumerable.Range(0, s.Dictionary!.FeatureCount)
                .Select(f => (f, Sum: Enumerable.Range(0, tokens.Length).Sum(t => Math.Abs(encoded.ActivationOf(t, f))))).ToList();
            return strength.OrderByDescending(f => f.Sum).Take(each).Append(strength.MinBy(f => f.Sum)).Select(f => f.f).Distinct().Order()
                .Select(f => (s.Site, f));
        })];
    }

    private static float[] Ones(int count) => [.. Enumerable.Repeat(1f, count)];

    private static (float[] Logits, float[] Activations) Run(GraphRunner runner, EditedGraph edited, int[] tokens, float[] scale,
        float[] offset)
    {
        using var feed = new Feed().AddTokens(tokens).Add(EditedGraph.Scale, scale, tokens.Length, edited.Features.Count)
            .Add(EditedGraph.Offset, offset, tokens.Length, edited.Features.Count).Add(EditedGraph.Position, [tokens.Length - 1L], 1);
        using var result = runner.Run(feed.Values, runner.Outputs);
        return (result.Floats(EditedGraph.Logits).ToArray(), result.Floats(EditedGraph.Activations).ToArray());
    }

    private static void Close(float[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        var largest = expected.Max(Math.Abs);
        Assert.True(largest > 0);
        for (var i = 0; i < expected.Length; i++) Assert.InRange(Math.Abs(expected[i] - actual[i]), 0, tolerance * largest);
    }
}
