using OnnxAttribution.Clusters;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>The strongest nodes of each cluster: means over what its prompts kept, where what a prompt dropped counts 0.</summary>
internal static class ClusterNodes
{
    /// <param name="top">How many of each cluster.</param>
    /// <returns>Cluster by cluster, the strongest first.</returns>
    public static List<ClusterNodeRow> Of(DatasetVectors vectors, Clustering found, int top)
    {
        var result = new List<ClusterNodeRow>();
        var (sums, counts) = (new double[vectors.Columns.Count], new int[vectors.Columns.Count]);
        for (var cluster = 0; cluster < found.Count; cluster++)
        {
            Array.Clear(sums);
            Array.Clear(counts);
            var size = 0;
            for (var row = 0; row < vectors.Rows.Count; row++)
            {
                if (found.Labels[row] != cluster) continue;
                size++;
                var (columns, values, scale) = (vectors.Rows.Columns(row), vectors.Rows.Values(row), vectors.Scales[row]);
                for (var i = 0; i < columns.Length; i++)
                {
                    sums[columns[i]] += values[i] * scale;
                    counts[columns[i]]++;
                }
            }
            var strongest = Enumerable.Range(0, sums.Length).Where(c => counts[c] > 0 && vectors.Columns[c].Site is not null)
                .OrderByDescending(c => Math.Abs(sums[c])).Take(top);
            result.AddRange(strongest.Select(c => new ClusterNodeRow(cluster + 1, vectors.Columns[c].Site!, vectors.Columns[c].Feature,
                sums[c] / size, counts[c], (double)counts[c] / size)));
        }
        return result;
    }
}
