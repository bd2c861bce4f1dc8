using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Files;

namespace OnnxAttribution.Bench;

/// <summary>What all edges cost in PyTorch in one way, as <c>bench/bench_peer.py --json</c> timed it.</summary>
/// <param name="Program">Such as <c>PyTorch 1.13.0</c>.</param>
/// <param name="Extrapolated">From a sample of the calls.</param>
internal sealed record PeerTime(string Name, double Seconds, bool Extrapolated, string Program)
{
    /// <exception cref="UsageException">The file is missing or not of that kind.</exception>
    public static IReadOnlyList<PeerTime> Read(string path)
    {
        try
        {
            var json = JsonNode.Parse(RegularFile.ReadAllText(path))!;
            var program = $"PyTorch {(string)json["torch"]!}";
            return [.. json["results"]!.AsObject().Where(r => IsWhole(r.Key)).Select(r => Of(r.Key, r.Value!, program))];
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

    // the whole job only: all pairs, or all sites
    private static bool IsWhole(string name) => name.StartsWith("(a) one backward", StringComparison.Ordinal)
        || name.EndsWith("all sites", StringComparison.Ordinal) || name.StartsWith("(c) all edges", StringComparison.Ordinal);

    private static PeerTime Of(string name, JsonNode figures, string program)
    {
        var extrapolated = (double?)figures["extrapolated_s"];
        return new PeerTime(name, extrapolated ?? (double)figures["median_s"]!, extrapolated is not null, program);
    }
}
