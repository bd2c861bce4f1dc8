namespace OnnxAttribution.Texts;

/// <summary>A template of prompts: texts with slots, and what fills each slot.</summary>
/// <param name="Name">The start of its prompts' ids, and their label.</param>
/// <param name="Line">Where it begins in its file.</param>
/// <param name="Forms">At least one; a template that names none has one without a name.</param>
/// <param name="Slots">In the file's order.</param>
internal sealed record PromptTemplate(string Name, long Line, IReadOnlyList<TemplateForm> Forms, IReadOnlyList<TemplateSlot> Slots)
{
    /// <summary>Groups of slots (by index) that take different fillers in every prompt.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Distinct { get; init; } = [];

    /// <summary>So many prompts at most, drawn at random without repetition; null: all.</summary>
    public int? Sample { get; init; }

    /// <summary>Of the draw.</summary>
    public int Seed { get; init; }
}

/// <summary>One wording of a template's prompts.</summary>
/// <param name="Name">Empty where the template has only one.</param>
internal sealed record TemplateForm(string Name, TemplateText Prompt, TemplateText? PatchPrompt, TemplateText? Target, TemplateText? Foil)
{
    /// <summary>All texts with what each is called in the file.</summary>
    public IEnumerable<(string Key, TemplateText Text)> Texts =>
        from text in ((string Key, TemplateText? Text)[])[("prompt", Prompt), ("patch_prompt", PatchPrompt), ("target", Target),
            ("foil", Foil)]
        where text.Text is not null
        select (text.Key, text.Text);

    /// <summary>The slots that it has, by index, ascending.</summary>
    public IReadOnlyList<int> Slots { get; } = [.. new[] { Prompt, PatchPrompt, Target, Foil }.OfType<TemplateText>()
        .SelectMany(t => t.Parts).Where(p => p.Slot >= 0).Select(p => p.Slot).Distinct().Order()];
}

/// <summary>What a prompt was made of.</summary>
/// <param name="Path">The template's file.</param>
/// <param name="Fillers">The index of each slot's filler; −1 of a slot that the form has not.</param>
internal sealed record TemplateOrigin(string Path, PromptTemplate Template, TemplateForm Form, IReadOnlyList<int> Fillers);
