using OnnxAttribution.Tests.View;

namespace OnnxAttribution.Tests.Cli;

[Collection(TinyRunCollection.Name)]
public sealed class ViewRefusalTests(TinyRun tiny)
{
    [Theory]
    [InlineData("--figure", "effects", "--format", "dot", "--figure is drawn as svg, png, pdf, not as dot")]
    [InlineData("--figure", "effects", "--edges", "5", "--edges is about the graph")]
    [InlineData("--theme", "dark", "--format", "html", "--theme goes with --format svg")]
    [InlineData("--model", "models/tiny", "--format", "dot", "--model goes with a page")]
    [InlineData("--slug", "a", "--format", "dot", "--slug goes with --format json")]
    [InlineData("--slug", "A b", "--format", "json", "--slug 'A b' is no name of small letters")]
    [InlineData("--format", "gif", "--edges", "5", "html")]
    [InlineData("--edges", "-1", "--nodes", "5", "--edges -1 is too little")]
    [InlineData("--figre", "effects", "--nodes", "5", "Did you mean '--figure'?")]
    public void Contradictions_are_refused(string first, string a, string second, string b, string words) =>
        Verb.Run("view", tiny.Path, first, a, second, b).Failed(2, words);
}
