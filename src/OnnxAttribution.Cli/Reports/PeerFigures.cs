using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Files;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What the same edges cost in PyTorch, as <c>bench/bench_peer.py --json</c> wrote it.</summary>
internal sealed class PeerFigures
{
    private PeerFigures(int nodes, int tokens, IReadOnlyList<(string Name, double Seconds, bool IsExtrapolated)> edges)
    {
        Nodes = nodes;
        Tokens = tokens;
        Edges = edges;
    }

    public int Nodes { get; }
    public int Tokens { get; }

    /// <summary>Ways to all edges, with their time.</summary>
    public IReadOnlyList<(string Name, double Seconds, bool IsExtrapolated)> Edges { get; }

    /// <exception cref="UsageException">The file is missing or not of that kind.</exception>
    public static PeerFigures Read(string path)
    {
        try
        {
            var json = JsonNode.Parse(RegularFile.ReadAllText(path))!;
            var edges = new List<(string, double, bool)>();
            foreach (var (name, figures) in json["results"]!.AsObject())
            {
                // the whole job only: all pairs, or all sites
                if (!(name.StartsWith("(a) one backward", StringComparison.Ordinal) || name.EndsWith("all sites", StringComparison.Ordinal)
                    || name.StartsWith("(c) all edges", StringComparison.Ordinal)))
                {
                    continue;
                }
                var extrapolated = (double?)figures!["extrapolated_s"];
                edges.Add((name, extrapolated ?? (double)figures["median_s"]!, extrapolated is not null));
            }
            return new PeerFigures((int)json["nodes"]!, (int)json["tokens"]!, edges);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or NullReferenceException
            or InvalidOperationException or FormatException or ArgumentException)
        {
            var why = e switch
            {
                IOException or UnauthorizedAccessException => FileFault.Words(e),
                JsonException => JsonFault.Words(e),
                _ => "a key is missing or holds something else",
            };
            throw new UsageException($"--peers {path} cannot be read as what bench_peer.py --json writes ({why}); make it again");
        }
    }

    /// <param name="ours">Seconds of cotangents and edges.</param>
    public void Print(TextWriter output, double ours)
    {
        output.WriteLine();
        output.WriteLine(
            $"the same edges in PyTorch, {Nodes} nodes per site, T = {Tokens}; ours, cotangents and edges: {ours * 1000:f0} ms");
        foreach (var (name, seconds, extrapolated) in Edges)
        {
            output.WriteLine(
                $"  {name,-60} {seconds,9:f2} s{(extrapolated ? " (extrapolated)" : "               ")} {seconds / ours,8:f1} times ours");
        }
    }

    public JsonArray ToJson(double ours) =>
        [.. Edges.Select(JsonNode (e) => new JsonObject
        {
            ["name"] = e.Name,
            ["seconds"] = e.Seconds,
            ["extrapolated"] = e.IsExtrapolated,
            ["times_ours"] = e.Seconds / ours
        })];
}
