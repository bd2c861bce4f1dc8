using OnnxAttribution.Files;

namespace OnnxAttribution.Texts;

/// <summary>A prompt, target or foil cannot be used; the message says why and how to fix it.</summary>
public sealed class PromptException : OnnxAttributionException
{
    /// <summary>One line that says what is wrong.</summary>
    internal PromptException(string message) : base(message)
    {
    }

    private PromptException(string message, bool isTable) : base(message) => IsTable = isTable;

    /// <summary>Whether the message is a table of several lines: the one error that one line cannot tell.</summary>
    public bool IsTable { get; }

    /// <summary>Clean and patch prompt have different lengths: both tokenizations side by side, so that it shows where they part.</summary>
    /// <param name="other">What the second is called.</param>
    internal static PromptException Unequal(IReadOnlyList<string> clean, IReadOnlyList<string> patch, string other = "patch prompt")
    {
        var width = Math.Max("prompt".Length, clean.Max(t => t.Length));
        string At(IReadOnlyList<string> tokens, int i) => i < tokens.Count ? tokens[i] : "";
        string Mark(int i) => At(clean, i) == At(patch, i) ? " " : "*";
        var lines = Enumerable.Range(0, Math.Max(clean.Count, patch.Count))
            .Select(i => $"{i,5} {Mark(i)} {At(clean, i).PadRight(width)}  {At(patch, i)}");
        return new PromptException(
            $"the prompt has {clean.Count} tokens and the {other} {patch.Count}; change one of them so that both have as many:\n"
                + $"{"",5}   {"prompt".PadRight(width)}  {other}\n{string.Join('\n', lines.Select(l => l.TrimEnd()))}", isTable: true);
    }
}
