using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>Prompts of a part of a dataset, cut into windows of prompts that are run side by side.</summary>
/// <remarks>Where windows end depends on the prompts alone, so that a dataset has the same bytes on every machine.</remarks>
internal static class PromptWindows
{
    /// <summary>At most so many prompts and so many tokens, patch prompts counted, unless a single prompt has more.</summary>
    private const int MostPrompts = 32, MostTokens = 1024;

    // of a token's characters, as a guess
    private const int CharactersPerToken = 4;

    /// <param name="tokens">Of each prompt; null where it has none.</param>
    /// <returns>Ranges of prompts, one behind the other.</returns>
    public static IEnumerable<Range> Of(IReadOnlyList<PromptTokens?> tokens)
    {
        var (from, count) = (0, 0);
        for (var i = 0; i < tokens.Count; i++)
        {
            var more = tokens[i] is { } t ? t.Clean.Length + (t.Patch?.Length ?? 0) : 0;
            if (i > from && (i - from == MostPrompts || count + more > MostTokens))
            {
                yield return from..i;
                (from, count) = (i, 0);
            }
            count += more;
        }
        if (from < tokens.Count) yield return from..tokens.Count;
    }

    /// <summary>How many lanes prompts can fill: as many as a window has prompts, guessed by the longest one. It changes no number.
    /// </summary>
    public static int Lanes(IEnumerable<PromptTask?> prompts)
    {
        var longest = prompts.Max(p => p is null ? 0 : p.Prompt.Length + (p.PatchPrompt?.Length ?? 0));
        return Math.Clamp(MostTokens * CharactersPerToken / Math.Max(1, longest), 1, MostPrompts);
    }
}
