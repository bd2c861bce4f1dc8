using OnnxAttribution.Files;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>Whether prompts can be patched together, position by position.</summary>
internal static class PatchPairs
{
    private const int MostNamed = 5;

    /// <exception cref="PromptException">There is none, one has no patch prompt, or their lengths differ.</exception>
    public static void Check(IReadOnlyList<RunPrompt> prompts)
    {
        if (prompts.Count == 0) throw new PromptException("there is no prompt; give one with a patch prompt");
        if (prompts.FirstOrDefault(p => p.Patch is null) is { } alone)
        {
            throw new PromptException($"{alone.What} has no patch prompt, and patching takes activations from one run to the other; give "
                + "it a patch_prompt, the corrupted one")
            {
                Settings = [Setting.PatchPrompt]
            };
        }
        // the length that most have is the set's
        var usual = prompts.CountBy(p => p.Clean.Length).MaxBy(l => l.Value).Key;
        var others = prompts.Where(p => p.Clean.Length != usual).ToList();
        if (others.Count == 0) return;
        var named = string.Join(", ", others.Take(MostNamed).Select(p => $"'{DisplayText.OneLine(p.Id)}' has {p.Clean.Length}"));
        throw new PromptException($"prompts that are patched together must be equally long, position by position: of {prompts.Count} most "
            + $"have {usual} tokens, but {named}{(others.Count > MostNamed ? $" and {others.Count - MostNamed} more differ" : "")}")
        {
            Settings = [Setting.Prompts]
        };
    }
}
