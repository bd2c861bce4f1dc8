using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Runs;

public class HeldOutPromptsTests
{
    [Fact]
    public void The_validation_has_sixty_prompts_of_8_to_15_tokens_with_a_target_of_one()
    {
        var tokenizer = Tokenizer.Open(Repository.TinyModel);
        var lines = PromptFile.Read(Path.Combine(Repository.Root, "docs", "results", "validation-prompts.jsonl"));
        Assert.True(lines.Count >= 60, $"{lines.Count} prompts");
        foreach (var (line, task, error) in lines)
        {
            Assert.True(error is null, $"line {line}: {error}");
            var tokens = PromptTokens.Of(task!, tokenizer, prependBos: true);   // refuses a target of several tokens
            Assert.InRange(tokens.Clean.Length - 1, 8, 15);
            Assert.NotNull(tokens.Target);
            Assert.Equal([.. tokens.Clean[1..], tokens.Target.Value], tokenizer.Encode(task!.Prompt + task.Target));
        }
        Assert.Equal(lines.Count, lines.Select(l => l.Task!.Prompt).Distinct().Count());
    }
}
