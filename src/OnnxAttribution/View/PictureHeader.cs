using System.Globalization;
using System.Text.Json.Nodes;
using OnnxAttribution.Files;

namespace OnnxAttribution.View;

/// <summary>What run.json says, as sentences and pairs to be shown.
/// Nothing here is escaped: whoever writes it into a format does that.</summary>
internal sealed class PictureHeader
{
    private readonly JsonObject _facts;

    public PictureHeader(JsonObject facts)
    {
        _facts = facts;
        Tokens = Texts("token_strings");
        PatchTokens = Texts("patch_token_strings");
        IsAblation = Text("kind") == "ablation";
        IsMerged = Flag("merged");
        MetricWords = Words();
        Options = [.. OptionPairs()];
    }

    public string? Prompt => Text("prompt");
    public string? PatchPrompt => Text("patch_prompt");

    /// <summary>Token texts by position; empty for a graph merged from many prompts.</summary>
    public IReadOnlyList<string> Tokens { get; }
    public IReadOnlyList<string> PatchTokens { get; }

    /// <summary>Edge effects are changes of downstream activations, found by real ablations.</summary>
    public bool IsAblation { get; }

    /// <summary>What real ablations multiplied activations by; 0 takes them away.</summary>
    public double Coefficient =>
        IsAblation && _facts["options"] is JsonObject options && Number(options["coefficient"]) is var c && !double.IsNaN(c) ? c : 0;

    /// <summary>Nodes were moved to what they are in a patch run, and not to zero.</summary>
    public bool IsPatched => !IsAblation && (PatchPrompt is not null || !double.IsNaN(PatchMetric));

    /// <summary>An effect times this is what the clean value does: moving a node away undoes it, which more of the same does not.</summary>
    public int SignOfClean => Coefficient > 1 ? 1 : -1;

    /// <summary>The mean of many prompts' graphs.</summary>
    public bool IsMerged { get; }

    /// <summary>Text of the token that the metric is about, and of the one it is set against; null where it has none.</summary>
    public string? Target => Text("target");
    public string? Foil => Text("foil");

    /// <summary>Such as <c>logit of ')' over ']' after position 3</c>.</summary>
    public string MetricWords { get; }

    /// <summary>NaN where the run does not say.</summary>
    public double CleanMetric => Number(_facts["clean_metric"]);
    public double PatchMetric => Number(_facts["patch_metric"]);

    /// <summary>Share of Σ |effect| that features carry and not error nodes, over all sites; NaN where the run does not say.</summary>
    public double ExplainedByFeatures => Number(_facts["explained_by_features"]);

    public string Model => Text("model") ?? "";
    public string? ModelPath => Text("model_path");
    public string? BundleHash => Text("bundle_sha256");
    public string? CommandLine => Text("command_line");
    public string Version => Text("version") ?? "";
    public string? FinishedAt => Text("finished_at");

    /// <summary>The likeliest next tokens, and their probabilities.</summary>
    public IReadOnlyList<(string Token, double Probability)> TopTokens =>
        _facts["top_tokens"] is JsonArray top
            ? [.. top.OfType<JsonObject>().Select(t => (AsText(t["token"]) ?? "", Number(t["probability"])))]
            : [];

    /// <summary>Names and values of the options that were not left out.</summary>
    public IReadOnlyList<(string Name, string Value)> Options { get; }

    /// <summary>What the page and its pictures are called: the prompt and what was asked of it.</summary>
    public string Title =>
        IsMerged || Prompt is null ? $"mean of {Text("prompts") ?? "many"} prompts"
            : Target is { } target ? $"{Prompt} → {DisplayText.Quoted(target)}"
            : Prompt;

    /// <summary>The site's dictionary on Neuronpedia, such as <c>gpt2-small/6-res-jb</c>; null where it is not known.</summary>
    public string? NeuronpediaId(string site) => _facts["neuronpedia_ids"] is JsonObject ids ? AsText(ids[site]) : null;

    private string Words()
    {
        var metric = Text("metric") ?? "metric";
        var target = Text("target") is { } t ? $" of {DisplayText.Quoted(t)}" : "";
        var foil = Text("foil") is { } f ? $" over {DisplayText.Quoted(f)}" : "";
        return $"{metric}{target}{foil}{(Text("position") is { } p ? $" after position {p}" : "")}";
    }

    private IEnumerable<(string, string)> OptionPairs()
    {
        if (_facts["options"] is not JsonObject options) yield break;
        foreach (var (name, value) in options)
        {
            if (name != "memory_bytes" && AsText(value) is { Length: > 0 } text) yield return (name.Replace('_', ' '), text);
        }
    }

    private string? Text(string key) => AsText(_facts[key]);

    private bool Flag(string key) => _facts[key] is JsonValue v && v.TryGetValue<bool>(out var flag) && flag;

    private string[] Texts(string key) => _facts[key] is JsonArray array ? [.. array.Select(t => AsText(t) ?? "")] : [];

    private static string? AsText(JsonNode? node) =>
        node is not JsonValue value ? null : value.TryGetValue<string>(out var text) ? text : value.ToJsonString();

    private static double Number(JsonNode? node) =>
        node is JsonValue value && double.TryParse(value.ToJsonString(), NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            ? number
            : double.NaN;
}
