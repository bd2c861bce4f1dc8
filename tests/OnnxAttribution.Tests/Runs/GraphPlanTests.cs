using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Tests.Runs;

/// <summary>What a plan says before a graph is drawn is what the graph then takes.</summary>
public sealed class GraphPlanTests(Random2Fixture bundle) : IClassFixture<Random2Fixture>
{
    private static readonly GraphOptions s_options = new(TopNodes: 3) { Refine = 0 };

    [Theory]
    [InlineData("Hello", MetricKind.Logit), InlineData("a longer text", MetricKind.Logprob)]
    public void Operations_are_the_graphs_where_the_whole_prompt_is_the_sample(string prompt, MetricKind metric)
    {
        using var model = LoadedModel.Open(bundle.Bundle, null, new RunContext());
        var request = new GraphRequest(s_options with { Metric = new(metric) });
        var plan = GraphPlan.Of(model, new PromptTask(prompt), request);
        var graph = GraphRun.Find(model, new PromptTask(prompt), request).Graph;
        Assert.Equal(plan.Tokens, plan.SampleTokens);
        Assert.Equal(graph.Operations, plan.Operations);
        Assert.Equal(graph.Nodes.Count, plan.Sites.Sum(s => s.Nodes));
        Assert.Equal(graph.Nodes.Count(n => !n.IsError), plan.Sites.Sum(s => (int)Math.Round(s.ActivePerPosition * plan.Tokens)));
        Assert.InRange(graph.Edges.Count, 1, (int)plan.Edges);
    }

    [Fact]
    public void A_plan_of_the_embedded_model_is_off_by_where_features_stand_and_nothing_else()
    {
        using var model = LoadedModel.Open(Repository.TinyModel, null, new RunContext());
        var task = new PromptTask("The quick brown fox jumps over the lazy dog, and the man said that he would go to the house by the sea");
        var options = new GraphOptions { Refine = 0 };
        var plan = GraphPlan.Of(model, task, new GraphRequest(options));
        var graph = GraphRun.Find(model, task, new GraphRequest(options)).Graph;
        Assert.Equal(0, plan.SampleTokens);   // the bundle says how many features are active
        Assert.Equal((double)graph.Operations, plan.Operations, graph.Operations * 0.02);
        // with the positions of the features that were kept it is the same number
        var kept = model.Selected.Select((site, i) => new ExpectedSite(plan.Sites[i].ActivePerPosition, plan.Sites[i].Source)
        {
            Kept = [.. KeptOf(graph, site, 20).Select(n => plan.Tokens - 1 - n.Position)],
        });
        Assert.Equal(graph.Operations, new GraphCost(model, options, new([.. kept])).Of(plan.Tokens, hasPatch: false).Operations);
    }

    [Fact]
    public void A_pass_that_goes_from_site_to_site_is_counted_so()
    {
        using var large = LoadedModel.Open(bundle.Bundle, null, new RunContext());
        var task = new PromptTask("a longer text");
        var tokens = PromptTokens.Of(task, large.Tokenizer, large.PrependsBos).Clean;
        var sizes = LocalReplacement.Sizes(tokens.Length, null);
        var whole = PassMemory.OfWhole(large, MetricKind.Logit, Estimator.Gradient, sizes);
        using var small = LoadedModel.Open(bundle.Bundle, null, new RunContext(memoryBudget: (whole / 4) - 1));
        long Planned(LoadedModel model) => GraphPlan.Of(model, task, new GraphRequest(s_options)).Stages
            .Single(stage => stage.Name == "passes").Operations;
        var pass = ModelPass.Run(small, tokens, new MetricRequest());
        Assert.True(pass.IsCheckpointed);
        Assert.Equal(pass.Operations, Planned(small));
        Assert.True(Planned(small) > Planned(large));
    }

    [Fact]
    public void A_patch_prompt_is_a_second_pass_and_a_second_encoding()
    {
        using var model = LoadedModel.Open(bundle.Bundle, null, new RunContext());
        var request = new GraphRequest(s_options);
        var (one, two) = (GraphPlan.Of(model, new("Hello"), request), GraphPlan.Of(model, new("Hello", PatchPrompt: "Jello"), request));
        foreach (var stage in (string[])["passes", "dictionaries"])
        {
            Assert.Equal(2 * one.Stages.Single(s => s.Name == stage).Operations, two.Stages.Single(s => s.Name == stage).Operations);
        }
    }

    [Fact]
    public void Moved_nodes_are_counted_as_they_are_run()
    {
        using var model = LoadedModel.Open(bundle.Bundle, null, new RunContext());
        var tokens = model.Tokenizer.Encode("Hello you");
        var state = PatchingState.Run(model, tokens, null, new GraphOptions());
        state.Expand();
        var nodes = state.Effects();
        using var clean = state.Start();
        foreach (var depth in (int[])[1, MovedNodes.Whole])
        {
            var moved = new MovedNodes(state, clean, Estimator.Gradient);
            moved.All(nodes, depth);
            var cost = new MovedCost(model, tokens.Length, (tokens.Length - 1, 1));
            Assert.Equal(moved.Operations, cost.OfAll([.. nodes.Select(n => (n.Site, n.Position))], nodes.Count, depth));
        }
    }

    [Fact]
    public void Shares_of_a_dataset_add_up_to_the_whole()
    {
        using var model = LoadedModel.Open(bundle.Bundle, null, new RunContext());
        PromptTask[] prompts = [.. Enumerable.Range(1, 20).Select(i => new PromptTask(new string('a', i))), new("x", Foil: "no token")];
        var request = new GraphRequest(s_options);
        DatasetPlan Of(int shard) => DatasetPlan.Of(model, prompts, request, new DatasetRequest { PartSize = 4, Shard = new(shard, 3) });
        DatasetPlan[] shards = [Of(1), Of(2), Of(3)];
        var whole = shards[0].Whole;
        Assert.Equal((20, 6, 1), (whole.Prompts, whole.Parts, shards[0].Failing));
        Assert.Equal(whole.Prompts, shards.Sum(s => s.Share.Prompts));
        Assert.Equal(whole.Parts, shards.Sum(s => s.Share.Parts));
        Assert.InRange(shards.Sum(s => s.Share.FileBytes), whole.FileBytes - 3, whole.FileBytes);
        Assert.All(shards, s => Assert.True(s.Share.Seconds < whole.Seconds));
        Assert.Equal(20 + (model.PrependsBos ? 1 : 0), shards[0].Longest.Tokens);
    }

    [Theory, InlineData(1), InlineData(2), InlineData(5)]
    public void Operations_of_prompts_side_by_side_are_those_of_their_graphs(int prompts)
    {
        using var model = LoadedModel.Open(bundle.Bundle, null, new RunContext(lanes: 2));
        var tokens = model.Tokenizer.Encode("Hello you");
        var found = PromptGraphs.Find(model, [.. Enumerable.Repeat(new PromptRequest(tokens, null, s_options), prompts)], isSummed: false);
        var graph = found[0].Found!;
        // as many features as the graph has, where it has them
        var sites = model.Selected.Select(site => new ExpectedSite(
            (double)graph.Nodes.Count(n => n.Site == site && !n.IsError) / tokens.Length, FeatureSource.Sample)
        {
            Kept = [.. KeptOf(graph, site, s_options.TopNodes!.Value).Select(n => tokens.Length - 1 - n.Position)],
        });
        var cost = new GraphCost(model, s_options, new([.. sites]));
        var window = cost.Of(Enumerable.Repeat(cost.Of(tokens.Length, hasPatch: false), prompts).ToList());
        Assert.Equal(found.Sum(f => f.Found!.Operations), window.Operations);
    }

    [Fact]
    public void Side_by_side_weights_are_read_once_and_memory_is_more_for_every_prompt_and_lane()
    {
        using var model = LoadedModel.Open(bundle.Bundle, null, new RunContext());
        var cost = new GraphCost(model, s_options, NodeSample.Of(model, model.Tokenizer.Encode("Hello"), s_options,
            new Dictionary<string, double>()));
        var one = cost.Of(5, hasPatch: false);
        long Bytes(int prompts, int lanes) => cost.Of(Enumerable.Repeat(one, prompts).ToList()).Memory(lanes).Sum(m => m.Bytes);
        foreach (var stage in (string[])["passes", "dictionaries", "cotangents"])
        {
            Assert.Equal(one.Stages.Single(s => s.Name == stage).Bytes,
                cost.Of([one, one, one]).Stages.Single(s => s.Name == stage).Bytes);
        }
        Assert.Equal(one.Memory.Sum(m => m.Bytes), Bytes(1, 1));
        Assert.Equal(Bytes(1, 1), Bytes(1, 4));   // more lanes than prompts
        Assert.True(Bytes(4, 1) > Bytes(2, 1));
        Assert.True(Bytes(4, 4) > Bytes(4, 2) && Bytes(4, 2) > Bytes(4, 1));
    }

    [Fact]
    public void What_is_not_counted_is_said()
    {
        using var model = LoadedModel.Open(bundle.Bundle, null, new RunContext());
        Assert.Empty(GraphPlan.Of(model, new("Hello"), new GraphRequest(s_options)).NotCounted);
        Assert.Equal(["exact edges"],
            GraphPlan.Of(model, new("Hello"), new GraphRequest(s_options with { Edges = EdgeMethod.Exact })).NotCounted);
    }

    [Fact]
    public void Firing_rates_are_those_of_the_bundles_own_dashboards()
    {
        using var model = LoadedModel.Open(Repository.TinyModel, null, new RunContext());
        var rates = FiringRates.Of(model.Directory, model.BundleHash, default);
        Assert.Equal(model.Selected.Select(s => s.Name).Order(), rates.Keys.Order());
        Assert.All(rates.Values, rate => Assert.InRange(rate, 1, 100));
        Assert.Empty(FiringRates.Of(model.Directory, new string('0', 64), default));
        Assert.Empty(FiringRates.Of(bundle.Bundle, new string('0', 64), default));
    }

    private static IEnumerable<CausalNode> KeptOf(CausalGraph graph, Site site, int top)
    {
        var features = graph.Nodes.Where(n => n.Site == site && !n.IsError).ToList();
        return features.OrderByDescending(n => Math.Abs(n.Effect)).Take(top);   // before pruning
    }
}
