using OnnxAttribution.Ablation;
using OnnxAttribution.Attribution;
using OnnxAttribution.Autodiff;
using OnnxAttribution.Bench;
using OnnxAttribution.Bundles;
using OnnxAttribution.Export;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Export;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Tests.Attribution.Invariants;

/// <summary>What holds for every architecture, with random dictionaries at random sites,
/// those between and within the sublayers among them.</summary>
public sealed class ArchitectureInvariantsTests : IDisposable
{
    private const double Tolerance = 1e-4;

    private static readonly int[] s_tokens = [256, 40, 41, 42, 99], s_patch = [256, 7, 41, 200, 99];

    private readonly TemporaryDirectory _directory = new();

    public static TheoryData<string> Models => [.. RandomModels.Names];

    public static TheoryData<string, int> Mixtures
    {
        get
        {
            var data = new TheoryData<string, int>();
            foreach (var model in RandomModels.Names)
            {
                for (var seed = 0; seed < 2; seed++) data.Add(model, seed);
            }
            return data;
        }
    }

    public void Dispose() => _directory.Dispose();

    [Theory, MemberData(nameof(Mixtures))]
    public void Effects_are_conserved_under_every_estimator_whatever_sites_have_dictionaries(string name, int seed)
    {
        var random = new Random(seed);
        var all = Architectures.Read(RandomModels.Checkpoint(name)).SiteNames.ToList();
        string[] chosen = [.. all.Where(_ => random.Next(3) == 0).DefaultIfEmpty(all[^1])];
        using var model = LoadedModel.Open(Bundle(name, chosen), null, new RunContext(threads: 1));
        Assert.Equal(chosen, model.Selected.Select(s => s.Name));
        foreach (var estimator in Enum.GetValues<Estimator>())
        {
            foreach (var patch in (int[]?[])[null, s_patch])
            {
                var graph = Random2Bundle.All(model, s_tokens, patch, new GraphOptions(Estimator: estimator));
                Assert.InRange(graph.ConservationViolation!.Value, 0, Tolerance);
                Assert.Contains(graph.Nodes, n => n is { IsError: false, Effect: not 0 });
            }
        }
        foreach (var patch in (int[]?[])[null, s_patch])
        {
            ExactEdgesByPasses.Agree(model, s_tokens, patch);
            EffectsByPasses.Agree(model, s_tokens, patch);
        }
        Assert.Equal(model.Steps.Operations(model.Steps.Head, 1), model.Steps.Operations(model.Steps.Head, 5));
    }

    [Theory, MemberData(nameof(Models))]
    public void Every_site_that_a_dictionary_may_be_for_is_one_of_the_graph(string name)
    {
        string[] all = [.. Architectures.Read(RandomModels.Checkpoint(name)).SiteNames];
        Assert.Equal(name != "olmo2", all.Contains("blocks.1.ln2.hook_normalized"));   // its MLP reads the stream as it is
        var manifest = BundleManifest.Read(Bundle(name, all));
        Assert.Equal(all, manifest.Dictionaries.Select(d => d.Site));
        Assert.Subset(manifest.Sites.ToHashSet(), all.ToHashSet());
    }

    /// <summary>Naive ablation, resumed from the site, against whole forward passes of model.onnx.</summary>
    [Theory, MemberData(nameof(Models))]
    public void Exact_ablation_equals_whole_passes(string name)
    {
        var all = Architectures.Read(RandomModels.Checkpoint(name)).SiteNames.ToList();
        using var model = LoadedModel.Open(Bundle(name, [all[0], all[1], all[4], all[^1]]), null, new RunContext(threads: 1));
        var graph = AblationFinder.Find(model, s_tokens, new AblationOptions(Positions: AblationPositions.Each).KeepingAll());
        using var slow = new SlowAblation(model, s_tokens);
        foreach (var site in model.Selected.SkipLast(1))
        {
            var nodes = graph.Nodes.Where(n => n.Site == site && float.IsFinite(n.Effect)).ToList();
            Assert.NotEmpty(nodes);
            foreach (var node in nodes)
            {
                var at = (graph.Metric.Position * model.VocabularySize) + graph.Metric.Target;
                Assert.Equal(slow.LogitsAfter(site, node.Feature, [node.Position], 0)[at] - slow.CleanLogits[at], node.Effect, 1e-4f);
            }
        }
    }

    /// <summary>The gradient of a logit at every site, found in float32, against central differences of model.onnx in double.</summary>
    [Theory, MemberData(nameof(Models))]
    public void Gradients_of_the_exported_model_equal_finite_differences(string name)
    {
        const double step = 1e-4;
        var bundle = Bundle(name, []);
        using var model = LoadedModel.Open(bundle, null, new RunContext(threads: 1));
        var pass = ModelPass.Run(model, s_tokens, new MetricRequest(Position: 3, Target: 65, Foil: 66));
        var exact = new DoubleModel(bundle);
        foreach (var site in model.Selected)
        {
            var gradient = pass.Gradients[site.Name];
            var random = new Random(1);
            // ⟨∂m/∂x, u⟩: one number that every entry of the gradient enters
            double[] u = [.. gradient.Select(_ => (2 * random.NextDouble()) - 1)];
            double Logit(double by) => exact.Logit(s_tokens, 3, 65, site.Name, Array.ConvertAll(u, v => v * by));
            var expected = (Logit(step) - Logit(-step)) / (2 * step);
            var scale = Math.Sqrt(gradient.Sum(g => g * g) * u.Sum(v => v * v));
            Assert.Equal(expected, gradient.Zip(u, (g, v) => g * v).Sum(), tolerance: Tolerance * scale);
        }
    }

    /// <summary>An attention sublayer's edges meet at k and v, of which tangents hold one entry each however many heads share them; what
    /// goes through q arrives in rows. Rows alone pass the weights, and no row has a [position, position] of its own.</summary>
    [Theory, InlineData("neox2", 2 * 24), InlineData("llama2", (2 + 2) * 6), InlineData("qwen2", (1 + 1) * 4),
        InlineData("mistral", (2 + 2) * 2), InlineData("qwen3", (2 + 2) * 6),
        InlineData("gemma2", (2 + 2) * 6), InlineData("gemma3", (1 + 1) * 8), InlineData("gpt-neo", 2 * 20),
        InlineData("olmo2", (2 + 2) * 6), InlineData("opt", 2 * 20), InlineData("phi", (2 + 2) * 6)]
    public void Attention_is_contracted_at_k_and_v_and_shared_heads_once(string name, long entries)
    {
        var graph = ModelBundle.Open(Bundle(name, [])).WithoutInterventions(batch: 1);
        Value[] sites = [.. Site.Names(2, always: true).Select(s => graph[s])];
        var segment = SegmentJacobian.Build(graph["blocks.1.hook_attn_out.raw"], [graph["blocks.1.hook_resid_pre"]], sites,
            GradientRules.Gradient);
        var contractions = segment.Graph.Ops()
            .Where(o => o.Type == "MatMul" && o.Out[0]!.Shape is { } z && z[^2].Symbol == "rows" && z[^1].Symbol == "tangents")
            .ToList();
        Assert.Equal(2, contractions.Count);
        Assert.Equal(entries, contractions.Sum(o => o.In[1]!.Shape![..^1].Aggregate(1L, (n, d) => n * d.Size!.Value)));
        Assert.NotNull(segment.Parents[0].RowsOutput);
        var computed = segment.Graph.Ops().SelectMany(o => o.Out).Where(v => v?.Type == DataType.Float).ToList();
        Assert.DoesNotContain(computed, v => v!.Shape!.Count(d => d.Symbol == "position") > 1);
        Assert.Contains(computed, v => v!.Shape!.Any(d => d.Symbol == "distinct") && v.Shape!.Any(d => d.Symbol == "position"));
    }

    private string Bundle(string model, IReadOnlyList<string> sites)
    {
        var architecture = Architectures.Read(RandomModels.Checkpoint(model));
        Directory.CreateDirectory(_directory["dictionaries"]);
        for (var i = 0; i < sites.Count; i++)
        {
            DictionaryFiles.Random(sites[i], architecture.WidthOf(Site.Parse(sites[i])), features: 20, seed: i)
                .Write(_directory[$"dictionaries/{i}"]);
        }
        BundleWriter.Write(new ExportOptions(RandomModels.Checkpoint(model), [_directory["dictionaries"]], _directory["bundle"]));
        return _directory["bundle"];
    }
}
