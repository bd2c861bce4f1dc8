using System.Text;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;

namespace OnnxAttribution.Texts;

/// <summary>A text with slots in it: <c>{place}</c>, or of fillers with fields <c>{noun.plural}</c>; <c>{{</c> and <c>}}</c> are braces.
/// </summary>
/// <param name="Parts">In their order.</param>
internal sealed record TemplateText(IReadOnlyList<TemplatePart> Parts)
{
    /// <summary>The text with its slots filled.</summary>
    /// <param name="fillers">The index of each slot's filler.</param>
    public string Filled(IReadOnlyList<TemplateSlot> slots, IReadOnlyList<int> fillers)
    {
        var text = new StringBuilder();
        foreach (var part in Parts) text.Append(part.Slot < 0 ? part.Text : slots[part.Slot].Fillers[fillers[part.Slot]][part.Field]);
        return text.ToString();
    }

    /// <summary>Reads a text.</summary>
    /// <param name="fault">Makes the exception of what is wrong.</param>
    /// <exception cref="PromptException">A brace is left open or alone, or there is no such slot or field.</exception>
    public static TemplateText Parse(string text, IReadOnlyList<TemplateSlot> slots, Func<string, PromptException> fault)
    {
        var (parts, plain) = (new List<TemplatePart>(), new StringBuilder());
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] is '{' or '}' && at + 1 < text.Length && text[at + 1] == text[at])
            {
                plain.Append(text[at++]);
            }
            else if (text[at] == '{')
            {
                var end = text.IndexOf('}', at);
                if (end < 0) throw fault("a '{' is left open; close the slot's name with '}', or write '{{' for a brace");
                if (plain.Length > 0) parts.Add(new(plain.ToString(), -1, 0));
                plain.Clear();
                parts.Add(Slot(text[(at + 1)..end], slots, fault));
                at = end;
            }
            else if (text[at] == '}')
            {
                throw fault("a '}' stands alone; write '}}' for a brace");
            }
            else
            {
                plain.Append(text[at]);
            }
        }
        if (plain.Length > 0) parts.Add(new(plain.ToString(), -1, 0));
        return new(parts);
    }

    private static TemplatePart Slot(string name, IReadOnlyList<TemplateSlot> slots, Func<string, PromptException> fault)
    {
        var (slot, field) = name.Split('.', 2) is [var before, var behind] ? (before, behind) : (name, "");
        var index = TemplateSlot.IndexOf(slots, slot);
        if (index < 0)
        {
            throw fault($"there is no slot {DisplayText.QuotedName(slot)}; "
                + (slots.Count == 0 ? "write 'slots:' with what fills it"
                    : $"did you mean '{SpellCheck.Among([.. slots.Select(s => s.Name)], slot)}'?"));
        }
        var fields = slots[index].Fields;
        var which = Array.IndexOf([.. fields], field);
        return which >= 0 ? new(name, index, which) : throw fault(fields is [""]
            ? $"the fillers of '{slot}' are plain texts without {DisplayText.QuotedName(field)}; write {{{slot}}}"
            : $"the fillers of '{slot}' have {string.Join(", ", fields)}; write {{{slot}.{fields[0]}}}");
    }
}

/// <summary>A part of a text with slots.</summary>
/// <param name="Text">As it stands; of a slot its name, and its field's.</param>
/// <param name="Slot">The slot's index; −1: the text is plain.</param>
/// <param name="Field">The index of the filler's field.</param>
internal readonly record struct TemplatePart(string Text, int Slot, int Field);
