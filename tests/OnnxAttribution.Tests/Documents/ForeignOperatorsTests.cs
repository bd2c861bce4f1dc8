using OnnxAttribution.Onnx;

namespace OnnxAttribution.Tests.Documents;

/// <summary>The guide to other exporters' ONNX lists the operators that the code reads.</summary>
public sealed class ForeignOperatorsTests
{
    [Fact]
    public void The_guide_lists_every_operator_of_com_microsoft_that_is_read()
    {
        var rows = Document.Read("docs/guides/foreign-onnx.md").Prose
            .Where(line => line.StartsWith($"| {ContribDomain.Name} |", StringComparison.Ordinal));
        Assert.Equal(ContribNodes.Known,
            rows.SelectMany(row => row.Split('|')[2].Split(',', StringSplitOptions.TrimEntries)).Order(StringComparer.Ordinal));
    }
}
