using OnnxAttribution.Files;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Texts;

/// <summary>Refuses, before anything is run, templates whose prompts and patch prompts have different lengths or whose answers are not one
/// token each, by the fillers that are to blame.</summary>
internal sealed class TemplateTokens
{
    private const int MostNamed = 4;

    private readonly Tokenizer _tokenizer;
    private readonly Dictionary<string, int[]> _known = new(StringComparer.Ordinal);
    private readonly List<string> _answers = [], _pairs = [];
    private readonly HashSet<string> _said = [];
    private int _more;

    private TemplateTokens(Tokenizer tokenizer) => _tokenizer = tokenizer;

    /// <summary>Checks those prompts that a template made.</summary>
    /// <exception cref="PromptException">Lengths differ, or an answer is several tokens; the message names slots, fillers and tokens.
    /// </exception>
    public static void Check(IEnumerable<PromptTask?> tasks, Tokenizer tokenizer)
    {
        foreach (var template in tasks.Where(t => t?.Origin is not null).GroupBy(t => t!.Origin!.Template))
        {
            var check = new TemplateTokens(tokenizer);
            foreach (var task in template) check.Add(task!);
            var place = $"{template.First()!.Origin!.Path}, template '{template.Key.Name}'";
            if (check._answers.Count > 0)
            {
                throw Fault(place, $"{check.Listed(check._answers)}; an answer is exactly one token, with the space before it where it has "
                    + "one: take these fillers out, or use others");
            }
            if (check._pairs.Count > 0)
            {
                throw Fault(place, $"{check.Listed(check._pairs)}; take fillers of as many tokens each, or take these out");
            }
        }
    }

    private string Listed(List<string> faults) => string.Join("; ", faults) + (_more == 0 ? "" : $"; and {_more} more");

    private void Add(PromptTask task)
    {
        var form = task.Origin!.Form;
        if (form.Target is { } target) Answer(task, "target", target, task.Target!);
        if (form.Foil is { } foil) Answer(task, "foil", foil, task.Foil!);
        if (form.PatchPrompt is not null) Pair(task);
    }

    private void Answer(PromptTask task, string key, TemplateText text, string answer)
    {
        if (PromptTokens.IsOneToken(_tokenizer, answer) || !_said.Add($"{key}\0{answer}")) return;
        var tokens = Pieces(answer, continues: true);
        Say(_answers, $"{key} {DisplayText.QuotedName(answer)}{Where(task.Origin!, text.Parts)} is {tokens.Length} tokens "
            + $"({Shown(tokens)})");
    }

    private void Pair(PromptTask task)
    {
        var (clean, patch) = (_tokenizer.Encode(task.Prompt).Length, _tokenizer.Encode(task.PatchPrompt!).Length);
        if (clean == patch) return;
        var form = task.Origin!.Form;
        var (of, ofPatch) = (Uncommon(form.Prompt, form.PatchPrompt!), Uncommon(form.PatchPrompt!, form.Prompt));
        // the fillers that only one of them has: where those tell the difference, the pair is told once however often it stands there
        var (these, those) = (Fillers(task.Origin, of), Fillers(task.Origin, ofPatch));
        var told = $"{string.Join(", ", these)} against {string.Join(", ", those)}";
        if (!_said.Add(these.Count + those.Count == 0 ? form.Name : told)) return;
        Say(_pairs, $"the prompt has {clean} tokens and its patch prompt {patch}" + (these.Count + those.Count == 0
            ? $", by the text around their slots ('{task.Id}')"
            : $" with {(these.Count == 0 ? "nothing" : string.Join(", ", these))} against "
                + $"{(those.Count == 0 ? "nothing" : string.Join(", ", those))}"));
    }

    private void Say(List<string> faults, string fault)
    {
        if (faults.Count < MostNamed) faults.Add(fault);
        else _more++;
    }

    // slots of one text that the other has not, or not so often; with the space before them, which is the token's
    private static List<(TemplatePart Part, bool HasSpace)> Uncommon(TemplateText one, TemplateText other)
    {
        var left = other.Parts.Where(p => p.Slot >= 0).ToList();
        var result = new List<(TemplatePart, bool)>();
        foreach (var (i, part) in one.Parts.Index())
        {
            if (part.Slot < 0 || left.Remove(part)) continue;
            result.Add((part, i > 0 && one.Parts[i - 1] is { Slot: < 0, Text: [.., ' '] }));
        }
        return result;
    }

    private List<string> Fillers(TemplateOrigin origin, IEnumerable<(TemplatePart Part, bool HasSpace)> parts) => [.. parts.Select(p =>
    {
        var filler = origin.Template.Slots[p.Part.Slot].Fillers[origin.Fillers[p.Part.Slot]][p.Part.Field];
        var tokens = Pieces((p.HasSpace ? " " : "") + filler, continues: true);
        return $"{p.Part.Text} {DisplayText.QuotedName(filler)} ({tokens.Length}: {Shown(tokens)})";
    }).Distinct()];

    private static string Where(TemplateOrigin origin, IReadOnlyList<TemplatePart> parts)
    {
        var slots = parts.Where(p => p.Slot >= 0).Select(p => $"{p.Text} is "
            + DisplayText.QuotedName(origin.Template.Slots[p.Slot].Fillers[origin.Fillers[p.Slot]][p.Field])).ToList();
        return slots.Count == 0 ? "" : $", where {string.Join(" and ", slots)},";
    }

    private int[] Pieces(string text, bool continues)
    {
        if (!_known.TryGetValue(text, out var tokens)) _known[text] = tokens = _tokenizer.Encode(text, continues);
        return tokens;
    }

    private string Shown(int[] tokens) => string.Join(' ', tokens.Select(t => DisplayText.Quoted(_tokenizer.TokenText(t))));

    private static PromptException Fault(string place, string what) => new($"{place}: {what}") { Settings = [Setting.Prompts] };
}
