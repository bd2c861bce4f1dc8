using System.Globalization;
using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.View;

/// <summary>What run.json says, as sentences and pairs to be shown.
/// Nothing here is escaped: whoever writes it into a format does that.</summary>
internal sealed class PictureHeader
{
    private readonly RunRecord _run;
    private readonly PromptRunRecord? _prompt;
    private readonly MergedRunRecord? _merged;
    private readonly AblationRunRecord? _ablation;

    public PictureHeader(RunRecord run)
    {
        (_run, _prompt, _merged, _ablation) = (run, run as PromptRunRecord, run as MergedRunRecord, run as AblationRunRecord);
        MetricWords = Words();
        Options = run.Asked is { } asked
            ? [.. RunJson.Texts(asked).Where(o => o.Name != "memory_bytes").Select(o => (o.Name.Replace('_', ' '), o.Text))]
            : [];
    }

    public string? Prompt => _prompt?.Prompt;
    public string? PatchPrompt => _prompt?.PatchPrompt;

    /// <summary>Token texts by position; empty for a graph merged from many prompts.</summary>
    public IReadOnlyList<string> Tokens => _prompt?.TokenStrings ?? [];
    public IReadOnlyList<string> PatchTokens => _prompt?.PatchTokenStrings ?? [];

    /// <summary>Edge effects are changes of downstream activations, found by real ablations.</summary>
    public bool IsAblation => _ablation is not null;

    /// <summary>Transcoders stand for MLPs: edges have weights, and the graph begins with tokens.</summary>
    public bool IsReplaced => (_run as GraphRunRecord)?.Options?.Replace is not null || _merged?.Options?.Replace is not null;

    /// <summary>An error at no position is that of all positions of its site that have no error node of their own.</summary>
    public bool LumpsErrors => (_run as GraphRunRecord)?.Options?.TopErrors is not null;

    /// <summary>What real ablations multiplied activations by; 0 takes them away.</summary>
    public double Coefficient => _ablation?.Options?.Coefficient ?? 0;

    /// <summary>Nodes were moved to what they are in a patch run, and not to zero.</summary>
    public bool IsPatched => !IsAblation && (PatchPrompt is not null || !double.IsNaN(PatchMetric));

    /// <summary>An effect times this is what is shown: what the clean value does, which moving a node away undoes and more of the same
    /// does not; or, with <see cref="ShowsAblation"/>, what moving the node away does itself.</summary>
    public int SignOfClean => ShowsAblation ? 1 : _run.SignOfClean;

    /// <summary>Signs and colours are those of what an ablation or a patch does.</summary>
    public bool ShowsAblation => (_run as GraphRunRecord)?.Options?.Sign == RunNames.AblationSign
        || _merged?.Options?.Sign == RunNames.AblationSign;

    /// <summary>The mean of many prompts' graphs.</summary>
    public bool IsMerged => _merged is not null;

    /// <summary>Text of the token that the metric is about, and of the one it is set against; null where it has none.</summary>
    public string? Target => _prompt?.Target;
    public string? Foil => _prompt?.Foil;

    /// <summary>Their probabilities in the clean run; NaN where there is none, or the run does not say.</summary>
    public double TargetProbability => Number(_prompt?.TargetProbability);
    public double FoilProbability => Number(_prompt?.FoilProbability);

    /// <summary>Such as <c>logit of ')' over ']' after position 3</c>; of a merged run, whose prompts have targets of their own,
    /// <c>mean logit of 72 prompts</c>.</summary>
    public string MetricWords { get; }

    /// <summary>NaN where the run does not say.</summary>
    public double CleanMetric => Number(_run.CleanMetric);
    public double PatchMetric => Number(_run.PatchMetric);

    /// <summary>Share of Σ |effect| that features carry and not error nodes, over all sites; NaN where the run does not say.</summary>
    public double ExplainedByFeatures =>
        (_run as GraphRunRecord)?.ExplainedByFeatures ?? _merged?.ExplainedByFeatures ?? double.NaN;

    public string Model => _run.Model ?? "";
    public string? ModelPath => _run.ModelPath;
    public string? BundleHash => _run.BundleSha256;
    public string? CommandLine => _run.CommandLine;
    public string Version => _run.Version ?? "";
    public string? FinishedAt => _run.FinishedAt;

    /// <summary>The likeliest next tokens, and their probabilities.</summary>
    public IReadOnlyList<(string Token, double Probability)> TopTokens =>
        [.. (_prompt?.TopTokens ?? []).Select(t => (t.Token ?? "", Number(t.Probability)))];

    /// <summary>Names and values of the options that were not left out.</summary>
    public IReadOnlyList<(string Name, string Value)> Options { get; }

    /// <summary>What the page and its pictures are called: the prompt and what was asked of it.</summary>
    public string Title =>
        IsMerged || Prompt is null ? $"mean of {_merged?.Prompts?.ToString(CultureInfo.InvariantCulture) ?? "many"} prompts"
            : Target is { } target ? $"{Prompt} → {DisplayText.Quoted(target)}"
            : Prompt;

    /// <summary>The site's dictionary on Neuronpedia, such as <c>gpt2-small/6-res-jb</c>; null where it is not known.</summary>
    public string? NeuronpediaId(string site) => _run.NeuronpediaIds?.GetValueOrDefault(site);

    private string Words()
    {
        if (_merged is { Prompts: var prompts })
        {
            return $"mean {_run.Metric ?? "metric"} of {prompts?.ToString(CultureInfo.InvariantCulture) ?? "many"} prompts";
        }
        return WordsOf(_run.Metric, Target, Foil) + (_prompt?.Position is { } p ? $" after position {p}" : "");
    }

    /// <summary>Such as <c>logit of ')' over ']'</c>.</summary>
    public static string WordsOf(string? metric, string? target, string? foil) => (metric ?? "metric")
        + (target is null ? "" : $" of {DisplayText.Quoted(target)}") + (foil is null ? "" : $" over {DisplayText.Quoted(foil)}");

    // by way of the text: a picture shows 0.1 and not the float's digits as a double
    private static double Number(float? value) =>
        value is { } v ? double.Parse(v.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : double.NaN;
}
