using OnnxAttribution.Attribution;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>Scores of a run as score_pairs.parquet.</summary>
internal static class ScorePairRows
{
    /// <summary>Adds a score to those of a run; where it is there already, in its place.</summary>
    /// <param name="begun">The run.json that the score was made with.</param>
    /// <exception cref="RunDirectoryException">The table is damaged, or the run cannot be written, or is another than it was.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the run is as it was.</exception>
    public static void Add(string run, RunRecord begun, HeadScore score, CancellationToken cancel)
    {
        var others = RunDirectory.HasTable(run, ScorePairRow.Table) ? RunDirectory.ReadRows<ScorePairRow>(run, cancel) : [];
        var same = (score.Head.Layer, score.Head.Head, score.Query, score.Key);
        var table = RowTable.Of([.. others.Where(r => (r.Layer, r.Head, r.Query, r.Key) != same), .. Of(score)]);
        RunDirectory.Annotate(run, ScorePairRow.Table, table, new RunAddition { BegunWith = begun }, cancel);
    }

    private static IEnumerable<ScorePairRow> Of(HeadScore score)
    {
        for (var i = 0; i < score.QueryParts.Count; i++)
        {
            for (var j = 0; j < score.KeyParts.Count; j++)
            {
                var (query, key) = (score.QueryParts[i], score.KeyParts[j]);
                yield return new ScorePairRow(score.Head.Layer, score.Head.Head, score.Query, score.Key, query.Feature, key.Feature,
                    query.Activation, key.Activation, score.Of(i, j), score.Pattern);
            }
        }
    }
}
