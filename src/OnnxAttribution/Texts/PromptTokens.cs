using OnnxAttribution.Files;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Texts;

/// <summary>A <see cref="PromptTask"/> in token ids.</summary>
/// <param name="Clean">Token ids of the prompt, [T], BOS included where one is wanted.</param>
/// <param name="Patch">Token ids of the patch prompt, [T] as well; null: zero ablation.</param>
/// <param name="Target">Token id that the metric is about; null: the clean run's top token.</param>
/// <param name="Foil">The other token id of a logit difference; null: the clean run's best other token.</param>
public sealed record PromptTokens(int[] Clean, int[]? Patch, int? Target, int? Foil)
{
    /// <summary>Tokenizes a task.</summary>
    /// <param name="prependBos">Put the tokenizer's BOS in front, whatever the text begins with.</param>
    /// <exception cref="PromptException">A text is empty, a target is not one token,
    /// or clean and patch prompt have different lengths.</exception>
    internal static PromptTokens Of(PromptTask task, Tokenizer tokenizer, bool prependBos)
    {
        var clean = Encode(tokenizer, task.Prompt, Setting.Prompt, prependBos);
        var patch = task.PatchPrompt is null ? null : Encode(tokenizer, task.PatchPrompt, Setting.PatchPrompt, prependBos);
        if (patch is not null && patch.Length != clean.Length)
        {
            throw PromptException.Unequal(Texts(tokenizer, clean), Texts(tokenizer, patch));
        }
        return new PromptTokens(clean, patch, OneToken(tokenizer, Setting.Target, task.Target),
            OneToken(tokenizer, Setting.Foil, task.Foil));
    }

    private static int[] Encode(Tokenizer tokenizer, string text, Setting setting, bool prependBos)
    {
        if (text.Length == 0)
        {
            throw new PromptException($"the {(setting == Setting.Prompt ? "prompt" : "patch prompt")} is empty; give it some text")
            {
                Settings = [setting]
            };
        }
        var tokens = tokenizer.Encode(text);
        // whatever the text begins with, as TransformerLens does
        return prependBos ? [tokenizer.RequireBeginOfText(), .. tokens] : tokens;
    }

    /// <summary>The token of which this is the text; null of null.</summary>
    /// <param name="setting">What the token is, for messages: target or foil.</param>
    /// <exception cref="PromptException">It is no single token.</exception>
    internal static int? OneToken(Tokenizer tokenizer, Setting setting, string? text)
    {
        if (text is null) return null;
        var name = EnumName.Of(setting);
        if (text.Length == 0)
        {
            throw new PromptException($"the {name} is empty; give it the text of one token") { Settings = [setting] };
        }
        if (Exactly(tokenizer, text) is { } id) return id;
        var tokens = tokenizer.Encode(text, continues: true);
        var other = text.StartsWith(' ') ? text.TrimStart(' ') : " " + text;
        var hint = Exactly(tokenizer, other) is not null
            ? $"a leading space matters: {DisplayText.Quoted(other)} is one"
            : "a leading space matters";
        throw new PromptException($"the {name} {DisplayText.Quoted(text)} is {tokens.Length} tokens: "
            + $"{string.Join(" ", Texts(tokenizer, tokens))}; give exactly one token: {hint}")
        {
            Settings = [setting]
        };
    }

    /// <summary>Whether a text is exactly one token, as a target or a foil has to be.</summary>
    internal static bool IsOneToken(Tokenizer tokenizer, string text) => text.Length > 0 && Exactly(tokenizer, text) is not null;

    // also one that the tokenizer does not make of this text when it stands alone; what follows a prompt has no space but its own
    private static int? Exactly(Tokenizer tokenizer, string text) =>
        tokenizer.TryGetId(text, out var id) ? id : tokenizer.Encode(text, continues: true) is [var one] ? one : null;

    /// <summary>Tokens as messages show them, in quotes.</summary>
    internal static string[] Texts(Tokenizer tokenizer, int[] tokens) =>
        [.. tokens.Select(t => DisplayText.Quoted(tokenizer.TokenText(t)))];
}
