using System.Numerics.Tensors;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Validation;

/// <summary>Many nodes really moved at once, whatever their sites: a row of the batch per subset. Each node's change from its clean to its
/// patch value is added to the sites that it writes at its position, to whatever is there by then; everything behind is computed again.
/// </summary>
/// <remarks>Row 0 of each batch is left as it is: what rounding does to a run of the batch goes with the difference.</remarks>
/// <param name="model">In which model: where no MLP is replaced, there is the real one only.</param>
internal sealed class MovedSubsets(PatchingState state, ActivationCache clean, MovedModel model)
{
    private readonly LoadedModel _model = state.Model;

    /// <summary>Moves them in the model that the graph is of.</summary>
    public MovedSubsets(PatchingState state, ActivationCache clean) : this(state, clean, state.ModelOfGraph)
    {
    }

    /// <summary>Moves subsets.</summary>
    /// <param name="subsets">Indices in the graph's list of nodes, each once and ascending.</param>
    /// <returns>m(patched) − m(clean) of each.</returns>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public float[] Effects(IReadOnlyList<int[]> subsets)
    {
        var effects = new List<float>(subsets.Count);
        foreach (var batch in subsets.Chunk(RowsPerPass - 1))
        {
            _model.Context.Cancel.ThrowIfCancellationRequested();
            var mlps = model == MovedModel.Replacement ? new ReplacedOutputs(state, holdsFeatures: false) : null;
            using var pass = clean.Intervene(batch.Length + 1, [.. Sites(batch).Concat(mlps?.Stops ?? [])], [.. mlps?.Outputs ?? []]);
            foreach (var at in pass)
            {
                Move(at, batch);
                mlps?.Follow(at);
            }
            var position = state.Metric.Position;
            var metrics = state.Metric.Evaluate(pass.Logits(position), pass.Rows, clean.Logits(position), _model.Context.Threads);
            effects.AddRange(metrics.Skip(1).Select(m => (float)(m - metrics[0])));
        }
        return [.. effects];
    }

    private int RowsPerPass => model == MovedModel.Replacement ? ReplacedOutputs.RowsPerPass(state, clean) : clean.RowsPerPass();

    private IEnumerable<Site> Sites(int[][] subsets) =>
        state.Sites.Where(s => subsets.Any(nodes => !Here(nodes, s).IsEmpty)).SelectMany(s => s.Written).Select(s => s.Site).Distinct();

    private static ReadOnlySpan<int> Here(int[] nodes, SiteEffects site)
    {
        int From(int first) => Array.BinarySearch(nodes, first) is var at && at < 0 ? ~at : at;
        return nodes.AsSpan(From(site.FirstNode)..From(site.FirstNode + site.Nodes.Count));
    }

    private void Move(SiteStop at, int[][] subsets)
    {
        // what a transcoder reads need not be selected
        if (_model.SelectedSite(at.Site) is not { } selected) return;
        var site = state.Sites[selected.Index];
        float[] change = new float[site.Width], x = [];   // [rows, T, d]
        foreach (var writer in site.Writers.Append(site))
        {
            for (var r = 0; r < subsets.Length; r++)
            {
                foreach (var index in Here(subsets[r], writer))
                {
                    var (position, feature) = writer.Nodes[index - writer.FirstNode];
                    if (writer != site && feature == CausalNode.Error) continue;
                    if (x.Length == 0) x = at.Value;
                    writer.NodeChange(position, feature, site, change);
                    var there = x.AsSpan((((r + 1) * at.Positions) + position) * site.Width, site.Width);
                    TensorPrimitives.Add(there, change, there);
                }
            }
        }
        if (x.Length > 0) at.Value = x;
    }
}
