using System.Text.Json.Nodes;

namespace OnnxAttribution.Tests.Cli;

public class AblateBenchTests
{
    [Fact]
    public void A_small_shape_is_timed_against_its_floor_and_the_slow_way()
    {
        using var directory = new TemporaryDirectory();
        string[] args = ["bench", "--ablate", "--layers", "1", "--width", "64", "--features", "128", "--vocabulary", "300", "--tokens", "4",
            "--runs", "1", "--cache", directory["cache"]];
        var json = JsonNode.Parse(Verb.Run([.. args, "--json"]).Done().Output)!;
        Assert.Equal(2, (int)json["sites"]!);
        foreach (var part in (string[])["edges", "with_logits"])
        {
            Assert.True((double)json[part]!["seconds"]! > 0 && (double)json[part]!["floor_seconds"]! > 0);
            Assert.Equal((double)json[part]!["seconds"]! / (double)json[part]!["floor_seconds"]!, (double)json[part]!["ratio"]!, 1e-9);
        }
        Assert.True((long)json["with_logits"]!["operations"]! > (long)json["edges"]!["operations"]!);
        Assert.Equal((double)json["slow_seconds_per_feature"]! * (int)json["ablated"]!, (double)json["slow_seconds_extrapolated"]!, 1e-6);
        var output = Verb.Run(args).Done().Output;
        foreach (var words in (string[])["ratio to the floor", "extrapolated", "edges seen"]) Assert.Contains(words, output);
        Verb.Run([.. args, "--nodes", "3"]).Failed(2, "--nodes has no meaning with --ablate");
        Verb.Run("bench", "--measure", "last").Failed(2, "--measure goes with --ablate");
    }
}
