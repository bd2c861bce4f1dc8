using OnnxAttribution.Files;
using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Runs;

/// <summary>A prompt that is known by what a site has of it.</summary>
/// <param name="Line">Its line in the file of prompts, from 1.</param>
/// <param name="Task">What is asked, in words.</param>
internal sealed record SitePrompt(int Line, PromptTask Task)
{
    /// <summary>Token id of the target, whatever its text; null: what <see cref="Task"/> says.</summary>
    public int? Target { get; init; }

    /// <summary>Token id of the foil, whatever its text; null: what <see cref="Task"/> says.</summary>
    public int? Foil { get; init; }

    /// <summary>The prompt in token ids, without its patch prompt.</summary>
    /// <exception cref="PromptException">The prompt, target or foil cannot be used.</exception>
    public PromptTokens Tokens(Tokenizer tokenizer, bool prependBos)
    {
        var asked = Task with
        {
            PatchPrompt = null,
            Target = Target is null ? Task.Target : null,
            Foil = Foil is null ? Task.Foil : null,
        };
        var tokens = PromptTokens.Of(asked, tokenizer, prependBos);
        return tokens with { Target = Target ?? tokens.Target, Foil = Foil ?? tokens.Foil };
    }

    /// <summary>The prompt as it would be asked again: without a target or foil whose text is not that token.</summary>
    public PromptTask Again(Tokenizer tokenizer) =>
        Task with { Target = Text(tokenizer, Task.Target, Target), Foil = Text(tokenizer, Task.Foil, Foil) };

    private static string? Text(Tokenizer tokenizer, string? text, int? id) => text is null || id is null
        || (PromptTokens.IsOneToken(tokenizer, text) && PromptTokens.OneToken(tokenizer, Setting.Target, text) == id) ? text : null;
}
