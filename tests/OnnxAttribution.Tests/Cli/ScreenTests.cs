using OnnxAttribution.Cli.Terminal;

namespace OnnxAttribution.Tests.Cli;

public class ScreenTests
{
    [Fact]
    public void A_terminal_too_narrow_loses_columns_and_no_label_is_broken()
    {
        var (wide, narrow) = (Shown(120), Shown(50));
        Assert.All((string[])["a label of many letters", "Pearson", "median error", "0.1234"], part => Assert.Contains(part, wide));
        Assert.DoesNotContain("left out", wide);
        Assert.Contains("a label of many letters", narrow);
        Assert.Contains("Pearson", narrow);
        Assert.DoesNotContain("recall", narrow);
        Assert.Contains("columns left out", narrow);
        Assert.All(narrow.Split('\n').Where(l => l.StartsWith('│')), l => Assert.True(l.TrimEnd().Length <= 50));
    }

    [Theory]
    [InlineData(double.NaN, "–"), InlineData(0, "0 %"), InlineData(2.8e-6, "<0.001 %"), InlineData(6e-6, "0.001 %"),
        InlineData(0.0001, "0.01 %"), InlineData(0.5, "50.0 %"), InlineData(-0.25, "-25.0 %")]
    public void A_share_that_is_not_0_is_not_shown_as_0(double share, string shown) => Assert.Equal(shown, Screen.Percent(share));

    private static string Shown(int width)
    {
        using var output = new StringWriter { NewLine = "\n" };
        var console = Screen.On(output);
        console.Profile.Width = width;
        var table = Screen.Table("Title", "", "#Pearson", "#slope", "#median error", "#top recall");
        table.AddRow("a label of many letters", "0.1234", "1", "10.0 %", "100.0 % of 3");
        console.Show(table, mayDrop: 3);
        return output.ToString();
    }
}
