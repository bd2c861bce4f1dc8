using System.Text.Json;

namespace OnnxAttribution.Tests.Export;

/// <summary>What PyTorch says in float64 about a foreign model: whole sites under zero ablation, no dictionaries.</summary>
internal sealed class ForeignGolden
{
    public required int[] Tokens { get; init; }
    public required int Target { get; init; }
    public required int Foil { get; init; }
    public required double Metric { get; init; }

    /// <summary>[vocabulary], at the last position.</summary>
    public required double[] Logits { get; init; }

    /// <summary>By site, [position].</summary>
    public required IReadOnlyDictionary<string, double[]> Effects { get; init; }

    /// <summary>Upstream site and position, downstream site (or metric) and position.</summary>
    public required IReadOnlyDictionary<(string, int, string, int), double> Edges { get; init; }

    public static ForeignGolden Read(string family)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(ForeignModel.Folder, $"{family}.golden.json")));
        var root = document.RootElement;
        double[] Numbers(JsonElement e) => [.. e.EnumerateArray().Select(n => n.GetDouble())];
        return new ForeignGolden
        {
            Tokens = [.. root.GetProperty("tokens").EnumerateArray().Select(n => n.GetInt32())],
            Target = root.GetProperty("target").GetInt32(),
            Foil = root.GetProperty("foil").GetInt32(),
            Metric = root.GetProperty("metric").GetDouble(),
            Logits = Numbers(root.GetProperty("logits")),
            Effects = root.GetProperty("effects").EnumerateObject().ToDictionary(p => p.Name, p => Numbers(p.Value)),
            Edges = root.GetProperty("edges")
                .EnumerateArray()
                .ToDictionary(e => (e[0].GetString()!, e[1].GetInt32(), e[2].GetString()!, e[3].GetInt32()), e => e[4].GetDouble()),
        };
    }
}
