using System.Globalization;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;

namespace OnnxAttribution.Texts;

/// <summary>Reads templates of prompts: a YAML file of one or, with <c>---</c> between, of several.</summary>
internal sealed class TemplateFile
{
    /// <summary>Beside the program, the folder of the templates that come with it.</summary>
    public const string Folder = "templates";

    private const long MostBytes = 4 << 20;

    private static readonly string[] s_texts = ["prompt", "patch_prompt", "target", "foil"];
    private static readonly string[] s_keys = ["name", "about", .. s_texts, "forms", "slots", "distinct", "sample", "seed"];

    private readonly string _path;
    private readonly YamlValue _file;
    private readonly IReadOnlyList<TemplateSlot> _slots;

    private TemplateFile(string path, YamlValue file)
    {
        (_path, _file) = (path, file);
        if (file.Keys is null) throw Fault(file, $"a template is keys with values, such as 'prompt:', and this is {file.Kind}");
        Known(file, s_keys, "a template");
        _slots = Slots();
    }

    /// <summary>Reads the templates of a file.</summary>
    /// <exception cref="PromptException">The file cannot be read, is no YAML, or a template has a fault.</exception>
    public static IReadOnlyList<PromptTemplate> Read(string path)
    {
        var documents = YamlFile.Documents(path, PromptText.Read(Located(path), MostBytes));
        if (documents.Count == 0) throw new PromptException($"{path} holds no template; write 'prompt:' and what it asks for");
        var templates = new List<PromptTemplate>();
        foreach (var document in documents)
        {
            var template = new TemplateFile(path, document).Template(documents.Count > 1);
            if (templates.Find(t => t.Name == template.Name) is { } twice)
            {
                throw new PromptException($"{path}, line {template.Line}: the template of line {twice.Line} is also called "
                    + $"{DisplayText.QuotedName(template.Name)}; names must differ");
            }
            templates.Add(template);
        }
        return templates;
    }

    // templates/ioi.yaml comes with the program, and lies beside it
    private static string Located(string path)
    {
        if (Path.Exists(path) || Path.GetDirectoryName(path) != Folder) return path;
        var beside = Path.Combine(AppContext.BaseDirectory, path);
        return File.Exists(beside) ? beside : path;
    }

    private PromptTemplate Template(bool isOfSeveral)
    {
        var forms = Forms();
        var unused = _slots.Index().Where(s => !forms.Any(f => f.Slots.Contains(s.Index))).Select(s => s.Item.Name).FirstOrDefault();
        if (unused is not null)
        {
            throw Fault(_file["slots"]!, $"no text has the slot {DisplayText.QuotedName(unused)}; write {{{DisplayText.OneLine(unused)}}} "
                + "where it belongs, or take it out");
        }
        return new(Name(isOfSeveral), _file.Line, forms, _slots)
        {
            Distinct = Distinct(),
            Sample = Number("sample", least: 1),
            Seed = Number("seed", least: 0) ?? 0,
        };
    }

    private string Name(bool isOfSeveral)
    {
        if (_file["name"] is { } given)
        {
            var name = TextOf(given, "name");
            return PromptId.CanName(name) && PromptId.Of([name]) == name ? name : throw Fault(given, $"the name "
                + $"{DisplayText.QuotedName(name)} begins ids, which name directories; use letters, digits, '_' and '.'");
        }
        if (isOfSeveral) throw Fault(_file, "one of several templates has no 'name'; give it one, which its prompts' ids begin with");
        return PromptId.Of([Path.GetFileNameWithoutExtension(_path)]);
    }

    private List<TemplateForm> Forms()
    {
        if (_file["forms"] is not { } forms) return [Form("", _file)];
        if (forms.Keys is not { Count: > 0 } named)
        {
            throw Fault(forms, $"'forms' is {forms.Kind}; write each form's name with its own texts behind it");
        }
        var made = new List<TemplateForm>();
        foreach (var (name, form) in named)
        {
            if (form.Keys is null) throw Fault(form, $"the form {DisplayText.QuotedName(name)} is {form.Kind}; give it a 'prompt'");
            Known(form, s_texts, "a form");
            if (name.Length == 0 || PromptId.Of([name]) != name)
            {
                throw Fault(form, $"the form's name {DisplayText.QuotedName(name)} stands in ids; use letters, digits, '_' and '.'");
            }
            made.Add(Form(name, form));
        }
        return made;
    }

    // what a form does not say, the template says for all of them
    private TemplateForm Form(string name, YamlValue form)
    {
        TemplateText? Text(string key)
        {
            if ((form[key] ?? _file[key]) is not { } value) return null;
            return TemplateText.Parse(TextOf(value, key), _slots, what => Fault(value, $"'{key}': {what}"));
        }
        var prompt = Text("prompt") ?? throw Fault(form, name.Length == 0 ? "a template has a 'prompt', and this has none"
            : $"the form {DisplayText.QuotedName(name)} has no 'prompt'");
        return new(name, prompt, Text("patch_prompt"), Text("target"), Text("foil"));
    }

    private List<TemplateSlot> Slots()
    {
        if (_file["slots"] is not { } slots) return [];
        if (slots.Keys is null) throw Fault(slots, $"'slots' is {slots.Kind}; write each slot's name with a list of its fillers behind it");
        return [.. slots.Keys.Select(s => Slot(s.Key, s.Value))];
    }

    private TemplateSlot Slot(string name, YamlValue value)
    {
        if (name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-'))
        {
            throw Fault(value, $"a slot cannot be called {DisplayText.QuotedName(name)}; use letters, digits, '_' and '-'");
        }
        if (value.Items is not { Count: > 0 } items)
        {
            throw Fault(value, $"the slot '{name}' is {(value.Items is null ? value.Kind : "an empty list")}; "
                + "give it a list of fillers, such as [one, two]");
        }
        var fields = items[0].Keys is { } keys ? [.. keys.Select(k => k.Key)] : new[] { "" };
        var (fillers, known) = (new List<IReadOnlyList<string>>(), new HashSet<string>(StringComparer.Ordinal));
        foreach (var item in items)
        {
            var filler = Filler(name, item, fields);
            if (!known.Add(string.Join('\0', filler)))
            {
                throw Fault(item, $"the slot '{name}' has {DisplayText.QuotedName(filler[0])} twice; leave one out");
            }
            fillers.Add(filler);
        }
        return new(name, fields, fillers);
    }

    private IReadOnlyList<string> Filler(string slot, YamlValue item, string[] fields)
    {
        if (fields is [""])
        {
            return item.Text is { Length: > 0 } text ? [text]
                : throw Fault(item, $"a filler of '{slot}' is {item.Kind}; give it a text, in quotes where it has a brace or a colon");
        }
        if (item.Keys is not { } keys || keys.Count != fields.Length || keys.Any(k => !fields.Contains(k.Key)))
        {
            throw Fault(item, $"a filler of '{slot}' has other fields than the first; give each {string.Join(", ",
                fields.Select(f => DisplayText.QuotedName(f)))}");
        }
        return [.. fields.Select(f => item[f]!.Text is { Length: > 0 } text ? text
            : throw Fault(item, $"the field {DisplayText.QuotedName(f)} of a filler of '{slot}' is {item[f]!.Kind}; give it a text"))];
    }

    // one group of slots, or several
    private List<IReadOnlyList<int>> Distinct()
    {
        if (_file["distinct"] is not { } value) return [];
        if (value.Items is not { Count: > 0 } items) throw Fault(value, $"'distinct' is {value.Kind}; write slots, such as [a, b]");
        return [.. (items[0].Items is null ? [value] : items).Select(Group)];
    }

    private IReadOnlyList<int> Group(YamlValue group)
    {
        if (group.Items is not { Count: > 1 } names) throw Fault(group, "'distinct' takes lists of two slots or more");
        return [.. names.Select(n => TemplateSlot.IndexOf(_slots, n.Text) is >= 0 and var slot ? slot
            : throw Fault(n, $"'distinct' names {DisplayText.QuotedName(n.Text ?? n.Kind)}, which is no slot"))];
    }

    private int? Number(string key, int least)
    {
        if (_file[key] is not { } value) return null;
        return int.TryParse(value.Text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least ? number
            : throw Fault(value, $"'{key}' is {(value.Text is null ? value.Kind : DisplayText.QuotedName(value.Text))}; "
                + $"write a whole number from {least}");
    }

    private string TextOf(YamlValue value, string key) => value.Text is { Length: > 0 } text ? text
        : throw Fault(value, $"'{key}' is {value.Kind}; give it a text, in quotes where it begins with a brace");

    private void Known(YamlValue value, string[] keys, string what)
    {
        var unknown = value.Keys!.FirstOrDefault(k => !keys.Contains(k.Key));
        if (unknown.Key is null) return;
        throw Fault(unknown.Value, $"{DisplayText.QuotedName(unknown.Key)} means nothing in {what}; did you mean "
            + $"'{SpellCheck.Among(keys, unknown.Key)}'? It takes {string.Join(", ", keys)}");
    }

    private PromptException Fault(YamlValue at, string what) => new($"{_path}, line {at.Line}: {what}") { Settings = [Setting.Prompts] };
}
