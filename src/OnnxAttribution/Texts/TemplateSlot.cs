namespace OnnxAttribution.Texts;

/// <summary>A slot of a template.</summary>
/// <param name="Fields">What each filler has; one without a name where fillers are plain texts.</param>
/// <param name="Fillers">What it is filled with, [fillers][fields].</param>
internal sealed record TemplateSlot(string Name, IReadOnlyList<string> Fields, IReadOnlyList<IReadOnlyList<string>> Fillers)
{
    /// <summary>The index of a slot by its name; −1: there is none.</summary>
    public static int IndexOf(IReadOnlyList<TemplateSlot> slots, string? name)
    {
        for (var i = 0; i < slots.Count; i++)
        {
            if (slots[i].Name == name) return i;
        }
        return -1;
    }
}
