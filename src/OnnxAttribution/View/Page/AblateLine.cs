using System.Globalization;
using System.Text.RegularExpressions;
using OnnxAttribution.Store;

namespace OnnxAttribution.View.Page;

/// <summary>The command that ablates nodes of a run in its own prompt, as a POSIX shell reads it.</summary>
internal static partial class AblateLine
{
    /// <summary>All but the nodes, which the page writes behind it.</summary>
    /// <returns>null: the run is of many prompts, does not say its own, or its nodes are transcoders', which circuits are not taken of.
    /// </returns>
    public static string? Of(RunPicture picture)
    {
        if (picture.Header.IsReplaced || picture.Stored.Record is not PromptRunRecord { Prompt: { } prompt, ModelPath: { } model } run)
        {
            return null;
        }
        List<string> words = ["onnx-attribution", "ablate", "--model", model, "--prompt", prompt];
        void Add(string option, string? value)
        {
            if (value is not null) words.AddRange([option, value]);
        }
        Add("--target", run.Target);
        Add("--foil", run.Foil);
        Add("--metric", run.Metric);
        Add("--position", run.Position?.ToString(CultureInfo.InvariantCulture));
        Add("--prepend-bos", run.PrependBos is { } bos ? bos ? "true" : "false" : null);
        return Quoted(words.Append("--circuit")) + " ";
    }

    /// <summary>Words as a POSIX shell reads them.</summary>
    public static string Quoted(IEnumerable<string> words) => string.Join(' ', words.Select(Word));

    private static string Word(string text) =>
        Plain().IsMatch(text) ? text : $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    [GeneratedRegex(@"\A[\w./:=,@%+-]+\z")]
    private static partial Regex Plain();
}
