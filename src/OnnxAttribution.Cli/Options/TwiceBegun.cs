using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Cli.Options;

/// <summary>The warning that a prompt begins with the BOS twice: once as it was written, as other tools show prompts, and once because it
/// is put before every prompt, as TransformerLens does. Every position is one further then than where prompts begin plainly.</summary>
internal static class TwiceBegun
{
    private const int MostNamed = 5;

    /// <summary>Looks at prompts before they are run.</summary>
    /// <param name="prependBos">As it was asked for; null: as the dictionaries were trained.</param>
    /// <param name="isFile">They are from a file, and are named by their ids.</param>
    public static void Warn(LoadedModel model, IEnumerable<PromptTask> tasks, bool? prependBos, bool isFile, TextWriter error)
    {
        if (!(prependBos ?? model.PrependsBos) || model.Tokenizer.BeginOfText is not { } bos) return;
        bool Begins(string? text) => text is { Length: > 0 } && model.Tokenizer.Encode(text) is [var first, ..] && first == bos;
        List<PromptTask> twice = [.. tasks.Where(t => Begins(t.Prompt) || Begins(t.PatchPrompt))];
        if (twice.Count == 0) return;
        var who = !isFile ? "the prompt begins" : twice.Count == 1 ? $"the prompt '{twice[0].Id}' begins"
            : $"{twice.Count} prompts "
                + $"({string.Join(", ", twice.Take(MostNamed).Select(t => $"'{t.Id}'"))}{(twice.Count > MostNamed ? ", …" : "")}) begin";
        error.WriteLine(Sentence(who, model.TokenText(bos), "give --prepend-bos false, or take it out of the text"));
    }

    /// <summary>Looks at the lines of a file before they are run; those that a template made have to fit their tokens, and
    /// foils are warned of that the metric does not use.</summary>
    /// <exception cref="PromptException">Fillers of a template do not fit.</exception>
    public static void WarnOfFile(LoadedModel model, IReadOnlyList<(int Line, PromptTask? Task, string? Error)> lines,
        GraphRequest request, TextWriter error)
    {
        TemplateTokens.Check(lines.Select(l => l.Task), model.Tokenizer);
        Warn(model, lines.Select(l => l.Task).OfType<PromptTask>(), request.PrependBos, isFile: true, error);
        UnusedFoils.Warn(lines, request.Graph.Metric.Kind, error);
    }

    /// <summary>Looks at the prompt of a run.</summary>
    public static void Warn(PromptRunRecord run, TextWriter error)
    {
        if (run is not { PrependBos: true, Tokens: [var bos, var first, ..] } || bos != first) return;
        error.WriteLine(Sentence("the run's prompt begins", run.TokenStrings is [var text, ..] ? text : $"{bos}",
            "make the run anew with --prepend-bos false, or with the text alone"));
    }

    private static string Sentence(string who, string token, string fix) =>
        $"warning: {who} with {DisplayText.Quoted(token)} twice, since it stands in the text and is put before every prompt; {fix}";
}
