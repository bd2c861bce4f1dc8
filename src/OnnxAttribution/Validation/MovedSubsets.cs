using System.Numerics.Tensors;
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;

namespace OnnxAttribution.Validation;

/// <summary>Many nodes really moved at once, whatever their sites: a row of the batch per subset. Each node's change from its clean to its
/// patch value is added to its site at its position, to whatever is there by then; everything behind is computed again.</summary>
/// <remarks>Row 0 of each batch is left as it is: what rounding does to a run of the batch goes with the difference.</remarks>
internal sealed class MovedSubsets(PatchingState state, ActivationCache clean)
{
    private readonly LoadedModel _model = state.Model;

    /// <summary>Moves subsets.</summary>
    /// <param name="subsets">Indices in the graph's list of nodes, each once and ascending.</param>
    /// <returns>m(patched) − m(clean) of each.</returns>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public float[] Effects(IReadOnlyList<int[]> subsets)
    {
        var effects = new List<float>(subsets.Count);
        foreach (var batch in subsets.Chunk(clean.RowsPerPass() - 1))
        {
            _model.Context.Cancel.ThrowIfCancellationRequested();
            using var pass = clean.Intervene(batch.Length + 1, [.. Sites(batch).Select(s => s.Site)], []);
            foreach (var at in pass) Move(at, state.SiteAt(at.Site), batch);
            var position = state.Metric.Position;
            var metrics = state.Metric.Evaluate(pass.Logits(position), pass.Rows, clean.Logits(position), _model.Context.Threads);
            effects.AddRange(metrics.Skip(1).Select(m => (float)(m - metrics[0])));
        }
        return [.. effects];
    }

    private IEnumerable<SiteEffects> Sites(int[][] subsets) =>
        state.Sites.Where(s => subsets.Any(nodes => !Here(nodes, s).IsEmpty));

    private static ReadOnlySpan<int> Here(int[] nodes, SiteEffects site)
    {
        int From(int first) => Array.BinarySearch(nodes, first) is var at && at < 0 ? ~at : at;
        return nodes.AsSpan(From(site.FirstNode)..From(site.FirstNode + site.Nodes.Count));
    }

    private static void Move(SiteStop at, SiteEffects site, int[][] subsets)
    {
        var (x, change) = (at.Value, new float[site.Width]);   // [rows, T, d]
        for (var r = 0; r < subsets.Length; r++)
        {
            foreach (var index in Here(subsets[r], site))
            {
                var (position, feature) = site.Nodes[index - site.FirstNode];
                site.NodeChange(position, feature, change);
                var there = x.AsSpan((((r + 1) * at.Positions) + position) * site.Width, site.Width);
                TensorPrimitives.Add(there, change, there);
            }
        }
        at.Value = x;
    }
}
