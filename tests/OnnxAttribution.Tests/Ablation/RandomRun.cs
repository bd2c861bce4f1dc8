using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Tests.Attribution;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Tests.Ablation;

/// <summary>A prompt's graph, linear unless more is asked for, and what checks of it need.</summary>
internal sealed class RandomRun : IDisposable
{
    private readonly int[]? _patch;
    private readonly GraphOptions _options;

    public RandomRun(LoadedModel model, int[] tokens, int[]? patch, GraphOptions options)
        : this(model, tokens, patch, options.Linear(), GraphFinder.Find(model, tokens, patch, options.Linear()))
    {
    }

    private RandomRun(LoadedModel model, int[] tokens, int[]? patch, GraphOptions options, CausalGraph graph)
    {
        (_patch, _options, Graph) = (patch, options, graph);
        State = PatchingState.Run(model, tokens, patch, options);
        State.Expand();
        Clean = State.Start();
        Own = new JudgedEstimator(options.Method, options.Estimator, options.Steps);
    }

    /// <summary>The same graph, to be checked by another loading of its model.</summary>
    public RandomRun On(LoadedModel model) => new(model, State.Tokens, _patch, _options, Graph);

    public CausalGraph Graph { get; }
    public PatchingState State { get; }
    public ActivationCache Clean { get; }
    public JudgedEstimator Own { get; }

    private CheckedGraph Checked => new(Graph.Nodes, Graph.Edges);

    public List<ValidationCheck> Check(ValidationSample sample, params JudgedEstimator[] others) =>
        new ValidationComparison(State, Clean, Checked).Run(sample, Own, others, null);

    public ValidationSample All() => ValidationSample.All(Checked);

    public ValidationSample Draw(int count, int seed = 0) =>
        ValidationSample.Draw(Checked, new SiteGraph(State.Model).Pairs(State.Metric.Kind),
            i => Graph.Nodes[i].Position <= State.Metric.Position && Graph.Nodes[i].Effect != 0, count, seed);

    public void Dispose() => Clean.Dispose();
}
