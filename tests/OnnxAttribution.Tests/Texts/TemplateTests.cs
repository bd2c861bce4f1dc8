using OnnxAttribution.Texts;
using OnnxAttribution.Tokenizers;

namespace OnnxAttribution.Tests.Texts;

/// <summary>Templates of prompts: what they are expanded to, and what is refused.</summary>
public sealed class TemplateTests : IDisposable
{
    private const string Names = """
        name: gift
        distinct: [a, b]
        prompt: "{a} and {b} went out. {b} gave it to"
        target: " {a}"
        foil: " {b}"
        slots:
          a: &names [Ann, Bob, Cid]
          b: *names
        """;

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Every_way_to_fill_the_slots_is_a_prompt_and_its_id_tells_the_fillers()
    {
        var tasks = Expand(Names);
        Assert.Equal(["gift-Ann-Bob", "gift-Ann-Cid", "gift-Bob-Ann", "gift-Bob-Cid", "gift-Cid-Ann", "gift-Cid-Bob"],
            tasks.Select(t => t.Id));
        Assert.Equal(("Ann and Cid went out. Cid gave it to", " Ann", " Cid", null, "gift"),
            (tasks[1].Prompt, tasks[1].Target, tasks[1].Foil, tasks[1].PatchPrompt, tasks[1].Label));
    }

    [Fact]
    public void Forms_have_their_own_texts_and_only_their_own_slots()
    {
        var tasks = Expand("""
            forms:
              one: {prompt: "The {noun.one}", target: " is"}
              many: {prompt: "The {noun.many} {near}"}
            target: " are"
            patch_prompt: "A {noun.one}"
            slots:
              near: [here, "there"]
              noun: [{one: cat, many: cats}, {one: 01, many: no}]
            """);
        Assert.Equal(["The cat", "The 01", "The cats here", "The no here", "The cats there", "The no there"], tasks.Select(t => t.Prompt));
        Assert.Equal(["t-one-cat", "t-one-01", "t-many-here-cat"], tasks.Take(3).Select(t => t.Id));
        Assert.Equal([" is", " is", " are"], tasks.Take(3).Select(t => t.Target));
        Assert.Equal("A cat", tasks[2].PatchPrompt);
    }

    [Fact]
    public void Braces_are_doubled_and_texts_stay_as_they_stand()
    {
        var task = Assert.Single(Expand("prompt: \"{{{x}}} \\u00e9\\n\"\nslots: {x: [null]}"));
        Assert.Equal("{null} é\n", task.Prompt);
        Assert.Equal("t-null", task.Id);
    }

    [Fact]
    public void Several_templates_lie_in_one_file_and_label_their_prompts()
    {
        var tasks = Expand("---\nname: one\nprompt: a\n---\nname: two\nprompt: a\n...\n");
        Assert.Equal([("one", "one"), ("two", "two")], tasks.Select(t => (t.Id!, t.Label!)));
    }

    [Fact]
    public void A_sample_is_drawn_by_its_seed_without_repetition_in_order()
    {
        static string Sampled(int count, int seed) => Names + $"\nsample: {count}\nseed: {seed}\n";
        var all = Expand(Names).Select(t => t.Id).ToList();
        var four = Expand(Sampled(4, 0)).Select(t => t.Id).ToList();
        Assert.Equal(4, four.Distinct().Count());
        Assert.Equal(all.Where(four.Contains), four);
        Assert.Equal(four, Expand(Sampled(4, 0)).Select(t => t.Id));
        Assert.Contains(Enumerable.Range(1, 9), seed => !Expand(Sampled(4, seed)).Select(t => t.Id).SequenceEqual(four));
        Assert.Equal(all, Expand(Sampled(60, 0)).Select(t => t.Id));
    }

    [Fact]
    public void Of_many_more_prompts_than_could_be_listed_a_sample_is_drawn_evenly()
    {
        var fillers = string.Join(", ", Enumerable.Range(0, 200).Select(i => $"w{i}"));
        var text = $"prompt: \"{{a}} {{b}} {{c}}\"\ndistinct: [a, b]\nsample: 4000\nslots:\n  a: &w [{fillers}]\n  b: *w\n  c: *w\n";
        var tasks = Expand(text);
        Assert.Equal(4000, tasks.Select(t => t.Id).Distinct().Count());
        Assert.All(tasks, t => Assert.True(t.Prompt.Split(' ') is [var a, var b, _] && a != b));
        // 20 each are expected, with a standard deviation of 4.5
        Assert.All(tasks.CountBy(t => t.Prompt.Split(' ')[2]), pair => Assert.InRange(pair.Value, 2, 45));
        Assert.Equal(200, tasks.Select(t => t.Prompt.Split(' ')[0]).Distinct().Count());
    }

    [Theory]
    [InlineData("prompt: x\nslots: {a: [b]}", "line 2", "no text has the slot 'a'")]
    [InlineData("prompt: \"{b}\"\nslots: {a: [b]}", "line 1", "no slot 'b'; did you mean 'a'?")]
    [InlineData("prompt: \"{a}\"", "line 1", "no slot 'a'; write 'slots:'")]
    [InlineData("prompt: \"{a.x}\"\nslots: {a: [b]}", "are plain texts", "write {a}")]
    [InlineData("prompt: \"{a}\"\nslots: {a: [{x: b}]}", "have x", "write {a.x}")]
    [InlineData("prompt: \"{a}\"\nslots: {a: [{x: b}, {y: c}]}", "other fields than the first", "'x'")]
    [InlineData("prompt: \"{a}\"\nslots: {a: [b, b]}", "the slot 'a' has 'b' twice", "leave one out")]
    [InlineData("prompt: \"{a}\"\nslots: {a: [b, \"\"]}", "a filler of 'a' is empty", "give it a text")]
    [InlineData("prompt: \"{a}\"\nslots: {a: [b,,c]}", "line 2", "YAML")]
    [InlineData("prompt: \"{a}\"\nslots: {a: []}", "an empty list", "[one, two]")]
    [InlineData("prompt: \"{a}\"\nslots: {a: b}", "is a text", "[one, two]")]
    [InlineData("prompt: \"{a}\"\nslots: [a]", "'slots' is a list", "name")]
    [InlineData("prompt: {a}\nslots: {a: [b]}", "'prompt' is keys with values", "in quotes")]
    [InlineData("prompt: \"{a\"\nslots: {a: [b]}", "left open", "'{{'")]
    [InlineData("prompt: \"a}\"", "stands alone", "'}}'")]
    [InlineData("prompts: x", "'prompts' means nothing in a template", "did you mean 'prompt'?")]
    [InlineData("forms: {f: {prompt: x, name: y}}", "'name' means nothing in a form", "It takes prompt")]
    [InlineData("forms: {f: {target: x}}", "the form 'f' has no 'prompt'", "line 1")]
    [InlineData("forms: {f/g: {prompt: x}}", "'f/g'", "stands in ids")]
    [InlineData("target: x", "has a 'prompt'", "none")]
    [InlineData("prompt: x\nprompt: y", "line 2", "the key 'prompt' stands there twice")]
    [InlineData("prompt: x\nsample: many", "'sample' is 'many'", "a whole number from 1")]
    [InlineData("prompt: x\nname: a/b", "the name 'a/b'", "use letters")]
    [InlineData("prompt: x\ndistinct: [a, b]", "which is no slot", "line 2")]
    [InlineData("prompt: \"{a}{b}\"\nslots: {a: &x [c], b: *x}\ndistinct: [a, b]", "'distinct' leaves no prompt", "more fillers")]
    [InlineData("prompt: \"{a}{b}\"\nslots: {a: [x, xy], b: [yz, z]}", "'t-x-yz' and 't-xy-z' are the same prompt", "'distinct'")]
    [InlineData("prompt: *x", "*x stands for nothing above it", "&x")]
    [InlineData("prompt: !!binary aGk=", "has the tag", "leave tags out")]
    [InlineData("prompt: \"a\n", "line", "stops being YAML")]
    [InlineData("- a", "is a list", "'prompt:'")]
    [InlineData("# nothing", "holds no template", "'prompt:'")]
    [InlineData("--- {prompt: a}\n--- {prompt: b}", "one of several templates has no 'name'", "give it one")]
    [InlineData("--- {name: n, prompt: a}\n--- {name: n, prompt: b}", "is also called 'n'", "names must differ")]
    [InlineData("a: [[[[[[[[[[x]]]]]]]]]]", "more than 8 deep", "line 1")]
    public void A_fault_is_one_line_with_its_place_and_mend(string text, string fault, string mend)
    {
        var message = Assert.Throws<PromptException>(() => Expand(text)).Message;
        Assert.Contains(fault, message);
        Assert.Contains(mend, message);
        Assert.Contains("t.yaml", message);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Too_many_prompts_are_counted_and_a_sample_is_offered()
    {
        string Slots(int slots) => "prompt: \"" + string.Concat(Enumerable.Range(0, slots).Select(i => $"{{s{i}}} ")) + "\"\nslots:\n"
            + string.Concat(Enumerable.Range(0, slots).Select(i => $"  s{i}: [{string.Join(", ", Enumerable.Range(0, 100))}]\n"));
        Fails(Slots(3), "it makes 1,000,000 prompts, more than 100,000; write 'sample: 1000'");
        Fails(Slots(9), "it makes up to 1,000,000,000,000,000,000 prompts, more than 100,000; write 'sample: 1000'");
        Fails(Slots(12) + "sample: 5\n", "too many to draw from");
        Assert.Equal(5, Expand(Slots(9) + "sample: 5\n").Count);
        // none of the draws is allowed but a few
        Fails("prompt: \"" + string.Concat(Enumerable.Range(0, 8).Select(i => $"{{s{i}}} ")) + "\"\nsample: 1\ndistinct: ["
            + string.Join(", ", Enumerable.Range(0, 8).Select(i => $"s{i}")) + "]\nslots:\n  s0: &s [a, b, c, d, e, f, g]\n"
            + string.Concat(Enumerable.Range(1, 7).Select(i => $"  s{i}: *s\n")), "draws found 0 of the 1");
    }

    [Fact]
    public void Aliases_of_aliases_take_no_memory_and_are_refused()
    {
        var text = "x0: &x0 [lol, lal]\n" + string.Concat(Enumerable.Range(1, 40).Select(i =>
            $"x{i}: &x{i} [*x{i - 1}, *x{i - 1}, *x{i - 1}, *x{i - 1}, *x{i - 1}, *x{i - 1}, *x{i - 1}, *x{i - 1}, *x{i - 1}]\n"));
        Fails(text, "means nothing in a template");
        Fails("prompt: \"{s}\"\n" + string.Concat(text.Split('\n').Select(l => l.Length == 0 ? "" : $"  {l}\n").Prepend("slots:\n")),
            "of 'x1' is a list");
    }

    [Fact]
    public void A_file_of_four_megabytes_is_read_and_a_larger_one_refused()
    {
        var fillers = string.Join(", ", Enumerable.Range(0, 300_000).Select(i => $"w{i}"));
        Assert.Equal(7, Expand($"prompt: \"{{a}}\"\nsample: 7\nslots: {{a: [{fillers}]}}").Count);
        Fails($"prompt: \"{{a}}\"\n#{new string('x', 4 << 20)}\n", "more than");
        Fails($"prompt: {new string('[', 1 << 20)}", "more than 8 deep");
    }

    [Fact]
    public void Unequal_pairs_and_long_answers_are_told_by_slot_and_filler()
    {
        var tokenizer = Tokenizer.Open(Repository.TinyModel);
        string Told(string text) => Assert.Throws<PromptException>(() => TemplateTokens.Check(Expand(text), tokenizer)).Message;
        var pair = "prompt: \"The {a} said\"\npatch_prompt: \"The {b} said\"\nslots: {a: [king, boy], b: [woman, archbishop, girl]}";
        Assert.Equal($"{_directory["t.yaml"]}, template 't': the prompt has 3 tokens and its patch prompt 6 with a 'king' (1: ' king') "
            + "against b 'archbishop' (4: ' arch' 'b' 'ish' 'op'); the prompt has 3 tokens and its patch prompt 6 with a 'boy' (1: ' boy') "
            + "against b 'archbishop' (4: ' arch' 'b' 'ish' 'op'); take fillers of as many tokens each, or take these out", Told(pair));
        Assert.Contains("by the text around their slots ('t-king')",
            Told("prompt: \"The {a} said\"\npatch_prompt: \"The old {a} said\"\nslots: {a: [king, boy]}"));
        Assert.Contains("foil ' archbishop', where a is 'archbishop', is 4 tokens (' arch' 'b' 'ish' 'op'); an answer is exactly one token",
            Told("prompt: \"The {a}\"\ntarget: \" said\"\nfoil: \" {a}\"\nslots: {a: [king, archbishop]}"));
        Assert.Contains("target ' king said' is 2 tokens", Told("prompt: The\ntarget: \" king said\""));
        TemplateTokens.Check(Expand("prompt: \"The {a}\"\ntarget: \" {a}\"\nslots: {a: [king, boy]}"), tokenizer);
    }

    private void Fails(string text, string fault) => Assert.Contains(fault, Assert.Throws<PromptException>(() => Expand(text)).Message);

    private IReadOnlyList<PromptTask> Expand(string text)
    {
        File.WriteAllText(_directory["t.yaml"], text);
        return [.. PromptFile.Read(_directory["t.yaml"]).Select(l => l.Task!)];
    }
}
