using System.Text.Json;
using System.Text.RegularExpressions;
using OnnxAttribution.View.Live;

namespace OnnxAttribution.Tests.View.Live;

/// <summary>What is written into a live page, and the script's contract, which reads it.</summary>
public sealed partial class LiveContractTests
{
    [Fact]
    public void The_scripts_contract_has_the_contents_properties()
    {
        var contract = File.ReadAllText(Path.Combine(Repository.Root, "src/OnnxAttribution/View/Page/script/live/contract.ts"));
        var begin = contract.IndexOf("interface LiveData", StringComparison.Ordinal);
        var members = Member().Matches(contract[begin..contract.IndexOf("\n}", StringComparison.Ordinal)])
            .ToDictionary(m => m.Groups["name"].Value, m => m.Groups["type"].Value);
        var written = typeof(LiveContent).GetProperties()
            .ToDictionary(p => JsonNamingPolicy.CamelCase.ConvertName(p.Name), p => p.PropertyType);
        Assert.Equal(written.Keys.Order(), members.Keys.Order());
        foreach (var (name, type) in written)
        {
            var expected = type == typeof(int) || type == typeof(long) ? "number"
                : type == typeof(int?) ? "number | null"
                : type == typeof(IReadOnlyList<int>) ? "number[]"
                : type == typeof(IReadOnlyList<string>) ? "string[]"
                : name == "metric" ? string.Join(" | ", OnnxAttribution.Attribution.Metric.Names.Select(n => $"\"{n}\""))
                : name == "tokenizer" ? "object | null" : "string | null";
            Assert.Equal(expected, members[name]);
        }
    }

    [GeneratedRegex(@"^  (?<name>\w+): (?<type>[^;]+);$", RegexOptions.Multiline)]
    private static partial Regex Member();
}
