using OnnxAttribution.Dashboards;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Formats;

/// <summary>Next tokens as a run's own ablations moved them (tokens.parquet): of each ablated feature those that it promotes,
/// largest ln p(clean) − ln p(ablated) first (the other way round where ablated means more), and those that it suppresses.</summary>
/// <remarks>The table holds the tokens whose probability moved most, so these are ordered among themselves.</remarks>
internal sealed class MeasuredTokens
{
    private readonly Dictionary<(string Site, int Position, int Feature), TokenLists> _lists = [];

    private MeasuredTokens()
    {
    }

    /// <param name="signOfClean">As <see cref="RunRecord.SignOfClean"/>: 1 where ablated features were made more than they are, so that
    /// what rose by it is promoted.</param>
    /// <exception cref="RunDirectoryException">The table is damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static MeasuredTokens Of(string run, int signOfClean, CancellationToken cancel)
    {
        var result = new MeasuredTokens();
        if (!RunDirectory.HasTable(run, TokenRow.Table)) return result;
        foreach (var rows in RunDirectory.ReadRows<TokenRow>(run, cancel).GroupBy(r => (r.Site, r.Position, r.Feature)))
        {
            var moved = rows.Select(r => (r.Token, Change: signOfClean * Rise(r))).OrderByDescending(t => t.Change).ToList();
            result._lists[rows.Key] = new TokenLists([.. moved.Where(t => t.Change > 0).Select(t => t.Token)],
                [.. moved.AsEnumerable().Reverse().Where(t => t.Change < 0).Select(t => t.Token)]);
        }
        return result;
    }

    /// <summary>null: it was not ablated alone.</summary>
    public TokenLists? this[PictureNode node] => node.Site is not { } site ? null
        : _lists.GetValueOrDefault((site.Name, node.Position, node.Feature)) ?? _lists.GetValueOrDefault((site.Name, -1, node.Feature));

    private static double Rise(TokenRow row) => Math.Log(Known(row.AblatedProbability)) - Math.Log(Known(row.CleanProbability));

    // what underflowed is less than any float
    private static double Known(float probability) => Math.Max(probability, float.Epsilon);
}
