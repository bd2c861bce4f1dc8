using OnnxAttribution.Tests.Tokenizers;
using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Texts;

/// <summary>The templates that come with the program, under the tokenizers that they are for.</summary>
public sealed class ShippedTemplateTests(Gpt2TokenizerFixture gpt2) : IClassFixture<Gpt2TokenizerFixture>
{
    private static string Folder => Path.Combine(Repository.Root, "templates");

    [Theory, InlineData("ioi"), InlineData("greater-than"), InlineData("agreement"), InlineData("docstring")]
    public void Fillers_of_the_standard_tasks_are_single_tokens_of_gpt2(string name)
    {
        var file = Path.Combine(Folder, $"{name}.yaml");
        Check(file, gpt2.Tokenizer);
        var template = Assert.Single(TemplateFile.Read(file));
        Assert.Equal(1000, PromptFile.Read(file).Count);
        // of a docstring's descriptions only the number of tokens matters, which is each one's words
        var words = template.Slots.SelectMany(s => s.Fillers).SelectMany(f => f).SelectMany(f => f.Split(' '));
        Assert.All(words, w => Assert.Single(gpt2.Tokenizer.Encode(char.IsAsciiDigit(w[0]) ? w : $" {w}", continues: true)));
        Assert.Contains("arXiv:", File.ReadAllText(file).Replace("alignmentforum.org/posts/", "arXiv:"));
    }

    [Fact]
    public void There_are_at_least_eight_templates_for_the_embedded_model()
    {
        var file = Path.Combine(Folder, "tiny.yaml");
        Check(file, Tokenizer.Open(Repository.TinyModel));
        var byTemplate = PromptFile.Read(file).CountBy(l => l.Task!.Label!).ToList();
        Assert.True(byTemplate.Count >= 8, string.Join(' ', byTemplate));
        Assert.All(byTemplate, t => Assert.InRange(t.Value, 8, 12));
    }

    [Fact]
    public void They_lie_beside_the_program_which_finds_them_by_their_name()
    {
        var there = PromptFile.Read(Path.Combine(Folder, "ioi.yaml"));
        Assert.Equal(there.Select(l => l.Task!.Id), PromptFile.Read("templates/ioi.yaml").Select(l => l.Task!.Id));
    }

    private static void Check(string file, Tokenizer tokenizer)
    {
        var tasks = PromptFile.Read(file).Select(l => l.Task!).ToList();
        TemplateTokens.Check(tasks, tokenizer);
        Assert.All(tasks, t => PromptTokens.Of(t, tokenizer, prependBos: false));
        Assert.All(tasks, t => Assert.True(t.Target is not null && t.Foil is not null && t.Target != t.Foil));
        Assert.All(tasks, t => Assert.True(t.PatchPrompt is not null && t.PatchPrompt != t.Prompt));
    }
}
