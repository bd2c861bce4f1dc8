using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Documents;

/// <summary>The reference of the command line is what the command line says, and options that documents name are there.</summary>
public sealed partial class CliReferenceTests
{
    public static TheoryData<string> Documents =>
        [.. Document.All.Select(d => d.Name).Where(n => n == "README.md" || n.Split('/')[0] == "docs")];

    [Fact]
    public void The_reference_is_what_help_prints() => MadeDocument.Holds(CliReference.File, CliReference.Text());

    [Theory, MemberData(nameof(Documents))]
    public void An_option_that_a_document_names_is_one_of_ours(string name)
    {
        var ours = Option().Matches(CliReference.Text()).Select(m => m.Value).ToHashSet();
        var named = Document.Read(name).CodeSpans().SelectMany(c => Option().Matches(c)).Select(m => m.Value).Distinct();
        Assert.All(named, option => Assert.True(ours.Contains(option), $"{name} names {option}, which no verb has"));
    }

    [GeneratedRegex(@"(?<![\w-])--[a-z][a-z-]+")]
    private static partial Regex Option();
}
