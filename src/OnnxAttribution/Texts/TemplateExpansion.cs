using System.Globalization;
using System.Numerics;
using OnnxAttribution.Files;

namespace OnnxAttribution.Texts;

/// <summary>
/// From templates to prompts. 1. The prompts of a form are numbered: its slots are the digits, the last the fastest. 2. All numbers whose
/// slots differ where they have to are taken, or a sample of them. 3. Texts are filled, and ids made of the fillers.
/// </summary>
internal static class TemplateExpansion
{
    /// <summary>As many prompts as a template may make unless it says how many it wants.</summary>
    public const int Most = 100_000;

    private const long MostTried = 4_000_000;

    /// <summary>All prompts, template by template and form by form; a sample is in the same order.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <exception cref="PromptException">There are too many, none, or two alike.</exception>
    public static IReadOnlyList<PromptTask> Of(IReadOnlyList<PromptTemplate> templates, string path)
    {
        // the mean's name, and the index', are no prompt's
        HashSet<string> ids = new(StringComparer.OrdinalIgnoreCase) { PromptTask.MergedId, PromptId.Index };
        var tasks = new List<PromptTask>();
        foreach (var template in templates)
        {
            var alike = new Dictionary<(string, string?, string?, string?), string>();
            foreach (var (form, fillers) in Chosen(template, path))
            {
                var task = Task(new(path, template, form, fillers), ids);
                var texts = (task.Prompt, task.PatchPrompt, task.Target, task.Foil);
                if (!alike.TryAdd(texts, task.Id!))
                {
                    throw Fault(path, template, $"'{alike[texts]}' and '{task.Id}' are the "
                        + $"same prompt, {DisplayText.QuotedName(task.Prompt)}; take a filler out, or name the slots in 'distinct'");
                }
                tasks.Add(task);
            }
        }
        return tasks;
    }

    private static PromptTask Task(TemplateOrigin origin, HashSet<string> ids)
    {
        var (form, slots, fillers) = (origin.Form, origin.Template.Slots, origin.Fillers);
        var words = form.Slots.Select(s => slots[s].Fillers[fillers[s]][0]);
        string[] head = form.Name.Length == 0 ? [origin.Template.Name] : [origin.Template.Name, form.Name];
        return new PromptTask(form.Prompt.Filled(slots, fillers), form.Target?.Filled(slots, fillers), form.Foil?.Filled(slots, fillers),
            form.PatchPrompt?.Filled(slots, fillers), PromptId.Untaken(PromptId.Of(head.Concat(words)), ids))
        {
            Label = origin.Template.Name,
            Origin = origin,
        };
    }

    private static IEnumerable<(TemplateForm Form, int[] Fillers)> Chosen(PromptTemplate template, string path)
    {
        var sizes = template.Forms.Select(f => Count(template, f)).ToList();
        var all = sizes.Aggregate(BigInteger.Zero, (sum, n) => sum + n);
        if (all <= MostTried) return Listed(template, sizes, path);
        var count = all.ToString("N0", CultureInfo.InvariantCulture);
        if (template.Sample is not { } sample)
        {
            throw Fault(path, template, $"it makes up to {count} prompts, more than {Most:N0}; write 'sample: 1000' for so many of them, "
                + "drawn at random ('seed: 0'), or take fillers out");
        }
        if (all > long.MaxValue) throw Fault(path, template, $"it makes up to {count} prompts, too many to draw from; take fillers out");
        return Drawn(template, sizes, sample, path);
    }

    private static IEnumerable<(TemplateForm, int[])> Listed(PromptTemplate template, List<BigInteger> sizes, string path)
    {
        var allowed = new List<long>();
        for (long number = 0, all = (long)sizes.Aggregate(BigInteger.Zero, (a, b) => a + b); number < all; number++)
        {
            if (IsAllowed(template, At(template, sizes, number))) allowed.Add(number);
        }
        if (allowed.Count == 0) throw Fault(path, template, "'distinct' leaves no prompt; give its slots more fillers");
        if (template.Sample is { } sample && sample < allowed.Count) allowed = Sampled(allowed, sample, template.Seed);
        if (template.Sample is null && allowed.Count > Most)
        {
            throw Fault(path, template, $"it makes {allowed.Count:N0} prompts, more than {Most:N0}; write 'sample: 1000' for so many of "
                + "them, drawn at random ('seed: 0'), or take fillers out");
        }
        return allowed.Select(number => At(template, sizes, number));
    }

    // the first steps of a shuffle
    private static List<long> Sampled(List<long> from, int count, int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < count; i++)
        {
            var j = random.Next(i, from.Count);
            (from[i], from[j]) = (from[j], from[i]);
        }
        return [.. from.Take(count).Order()];
    }

    private static IEnumerable<(TemplateForm, int[])> Drawn(PromptTemplate template, List<BigInteger> sizes, int sample, string path)
    {
        var (random, taken) = (new Random(template.Seed), new SortedSet<long>());
        var all = (long)sizes.Aggregate(BigInteger.Zero, (a, b) => a + b);
        for (var tries = 0L; taken.Count < sample; tries++)
        {
            if (tries > MostTried + (20L * sample))
            {
                throw Fault(path, template, $"'distinct' leaves so few prompts that {tries:N0} draws found {taken.Count:N0} of the "
                    + $"{sample:N0} of its 'sample'; take a smaller one, or give its slots more fillers");
            }
            var number = random.NextInt64(all);
            if (IsAllowed(template, At(template, sizes, number))) taken.Add(number);
        }
        return taken.Select(number => At(template, sizes, number));
    }

    private static BigInteger Count(PromptTemplate template, TemplateForm form) =>
        form.Slots.Aggregate(BigInteger.One, (n, slot) => n * template.Slots[slot].Fillers.Count);

    private static (TemplateForm Form, int[] Fillers) At(PromptTemplate template, List<BigInteger> sizes, long number)
    {
        var form = 0;
        while (number >= sizes[form]) number -= (long)sizes[form++];
        var fillers = new int[template.Slots.Count];
        Array.Fill(fillers, -1);
        foreach (var slot in template.Forms[form].Slots.Reverse())
        {
            (number, var digit) = Math.DivRem(number, template.Slots[slot].Fillers.Count);
            fillers[slot] = (int)digit;
        }
        return (template.Forms[form], fillers);
    }

    // slots that the form has not differ from all
    private static bool IsAllowed(PromptTemplate template, (TemplateForm Form, int[] Fillers) prompt)
    {
        foreach (var group in template.Distinct)
        {
            for (var i = 0; i < group.Count; i++)
            {
                for (var j = 0; j < i; j++)
                {
                    var (a, b) = (prompt.Fillers[group[i]], prompt.Fillers[group[j]]);
                    if (a >= 0 && b >= 0 && template.Slots[group[i]].Fillers[a][0] == template.Slots[group[j]].Fillers[b][0]) return false;
                }
            }
        }
        return true;
    }

    private static PromptException Fault(string path, PromptTemplate template, string what) =>
        new($"{path}, template '{template.Name}': {what}") { Settings = [Setting.Prompts] };
}
