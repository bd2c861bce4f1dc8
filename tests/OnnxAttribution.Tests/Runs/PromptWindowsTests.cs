using OnnxAttribution.Runs;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Tests.Runs;

/// <summary>Which prompts are run side by side.</summary>
public sealed class PromptWindowsTests
{
    private static PromptTokens? Of(int clean, int patch = 0) =>
        clean == 0 ? null : new PromptTokens(new int[clean], patch == 0 ? null : new int[patch], null, null);

    [Fact]
    public void Windows_hold_32_prompts_or_1024_tokens()
    {
        Assert.Equal([0..32, 32..64, 64..70], PromptWindows.Of([.. Enumerable.Repeat(Of(16), 70)]));
        Assert.Equal([0..4, 4..8, 8..9], PromptWindows.Of([.. Enumerable.Repeat(Of(256), 9)]));
        Assert.Equal([0..2, 2..4], PromptWindows.Of([.. Enumerable.Repeat(Of(256, 256), 4)]));
        // a long prompt is a window alone, and lines without a prompt take no tokens
        Assert.Equal([0..1, 1..2, 2..5], PromptWindows.Of([Of(10), Of(2000), Of(0), Of(5), Of(0)]));
        Assert.Empty(PromptWindows.Of([]));
    }

    [Theory, InlineData(40, 32), InlineData(400, 10), InlineData(4096, 1), InlineData(100_000, 1), InlineData(0, 32)]
    public void Lanes_are_as_many_as_a_window_has_prompts(int characters, int lanes)
    {
        var prompt = new PromptTask(new string('a', characters));
        Assert.Equal(lanes, PromptWindows.Lanes([null, prompt]));
    }
}
