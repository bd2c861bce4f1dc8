using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;
using OnnxAttribution.Runs;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>heads --head</c> prints: the score, what kinds of parts it is made of, and the strongest pairs.</summary>
internal sealed class HeadScoreReport(HeadScoreRun run, int top, RunLabels labels, double seconds)
{
    private readonly HeadScore _score = run.Score;

    public JsonObject ToJson() => new()
    {
        ["head"] = _score.Head.ToString(),
        ["site"] = run.Site,
        ["query"] = _score.Query,
        ["key"] = _score.Key,
        ["query_token"] = run.TextAt(_score.Query),
        ["key_token"] = run.TextAt(_score.Key),
        ["score"] = _score.Score,
        ["pattern"] = _score.Pattern,
        ["sum_of_pairs"] = Sum(),
        ["kinds"] = new JsonArray([.. Kinds().Select(k => new JsonObject { ["query"] = k.Query, ["key"] = k.Key, ["score"] = k.Sum })]),
        ["pairs"] = new JsonArray([.. Strongest().Select(p => new JsonObject
        {
            ["query"] = Json(_score.QueryParts[p.Query]),
            ["key"] = Json(_score.KeyParts[p.Key]),
            ["score"] = _score.Of(p.Query, p.Key),
        })]),
        ["pairs_in_all"] = _score.Pairs.Count,
        ["file"] = run.File,
        ["seconds"] = seconds,
    };

    public void Print(TextWriter output)
    {
        output.WriteLine($"head {_score.Head}, from query {Token(_score.Query)} to key {Token(_score.Key)}: score "
            + $"{Screen.Number(_score.Score)}, attention {Screen.Percent(_score.Pattern)}");
        var console = Screen.On(output);
        console.Write(KindTable());
        console.Write(PairTable());
        output.WriteLine($"the {_score.Pairs.Count:N0} pairs add up to {Screen.Number(Sum())}; norm scales are held");
        output.WriteLine($"wrote {run.File} ({Screen.Bytes(new FileInfo(run.File).Length)})");
        output.WriteLine($"time {seconds:0.00} s");
    }

    private double Sum() => _score.Pairs.Sum(p => (double)p);

    private Table KindTable()
    {
        var table = Screen.Table("Score by kind of part", "query's", "#key's features", "#key's error", "#key's bias");
        foreach (var row in Kinds().GroupBy(k => k.Query)) table.AddRow([row.Key, .. row.Select(k => Screen.Number(k.Sum))]);
        return table;
    }

    private Table PairTable()
    {
        var table = Screen.Table("Strongest pairs", "query's", "#activation", "key's", "#activation", "#score");
        foreach (var (i, j) in Strongest())
        {
            var (query, key) = (_score.QueryParts[i], _score.KeyParts[j]);
            table.AddRow(Label(query), Screen.Number(query.Activation), Label(key), Screen.Number(key.Activation),
                Screen.Number(_score.Of(i, j)));
        }
        return table;
    }

    private IEnumerable<(int Query, int Key)> Strongest() =>
        Enumerable.Range(0, _score.Pairs.Count)
            .OrderByDescending(i => Math.Abs(_score.Pairs[i]))
            .Take(top)
            .Select(i => (i / _score.KeyParts.Count, i % _score.KeyParts.Count));

    private IEnumerable<(string Query, string Key, double Sum)> Kinds()
    {
        string[] kinds = ["features", "error", "bias"];
        foreach (var q in kinds)
        {
            foreach (var k in kinds)
            {
                var pairs = Of(_score.QueryParts, q).SelectMany(i => Of(_score.KeyParts, k).Select(j => (double)_score.Of(i, j)));
                yield return (q, k, pairs.Sum());
            }
        }
        static IEnumerable<int> Of(IReadOnlyList<ScorePart> parts, string kind) =>
            Enumerable.Range(0, parts.Count).Where(i => Kind(parts[i]) == kind);
    }

    private static string Kind(ScorePart part) => part.Feature switch { null => "bias", CausalNode.Error => "error", _ => "features" };

    private string Label(ScorePart part) => part.Feature is null ? "bias"
        : FeatureName.Of(run.Site, part.Feature.Value) + labels.Behind(run.Site, part.Feature.Value);

    private string Token(int position) => $"{position} {DisplayText.Quoted(run.TextAt(position))}";

    private static JsonObject Json(ScorePart part) => new()
    {
        ["kind"] = part.Feature switch { null => "bias", CausalNode.Error => "error", _ => "feature" },
        ["feature"] = part.Feature,
        ["activation"] = float.IsFinite(part.Activation) ? part.Activation : null,
    };
}
