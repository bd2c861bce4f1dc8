using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Documents;

/// <summary>Every command of every document is run, or its block says why not; output that a document shows is what is printed.</summary>
[Collection(DocumentCollection.Name)]
public sealed partial class DocumentCommandTests(DocumentWorld world)
{
    private const string Ours = "onnx-attribution", HowToSayWhy = "write <!-- not run: REASON --> on the line before the block";

    // what .ci/run calls, and so need not be called from within itself
    private static readonly string[] s_targetsOfTheRun = ["make demo", "make test"];

    public static TheoryData<string> Documents => [.. Document.All.Where(d => DocumentCommand.Of(d).Any()).Select(d => d.Name)];

    [Theory, MemberData(nameof(Documents))]
    public void The_commands_of_a_document_work_and_print_what_it_shows(string name)
    {
        foreach (var command in DocumentCommand.Of(Document.Read(name)).Where(c => c.ReasonNotRun is null))
        {
            if (s_targetsOfTheRun.Contains(command.Text)) continue;
            Assert.True(command.Program == Ours || ExampleProgram.Of(command) is not null, $"{command}\nis run by no test: {HowToSayWhy}");
            var verb = world.Run(command);
            Assert.True(verb.Code == 0, $"{command}\nends with exit code {verb.Code}: {verb.Error}{verb.Output}");
            Assert.True(verb.Output.Length > 0, $"{command}\nprints nothing");
            if (command.Shown.Count > 0) ShownOutput.Compare(command, verb.Output);
        }
    }

    [Theory, MemberData(nameof(Documents))]
    public void A_document_makes_the_runs_that_it_reads(string name)
    {
        var made = new HashSet<string> { DocumentWorld.DemoRun };
        foreach (var command in DocumentCommand.Of(Document.Read(name)).Where(c => c.ReasonNotRun is null))
        {
            var written = DocumentWorld.Out(command.Words);
            var read = command.Words.Where(w => w.Text != written).SelectMany(w => RunName().Matches(w.Text)).Select(m => m.Value);
            Assert.All(read, run => Assert.True(made.Contains(run), $"{command}\nreads {run}, which no command before it here makes"));
            made.UnionWith(RunName().Matches(written ?? "").Select(m => m.Value));
        }
    }

    [Theory, MemberData(nameof(Documents))]
    public void A_command_that_is_not_run_is_possible_and_says_why(string name)
    {
        foreach (var command in DocumentCommand.Of(Document.Read(name)).Where(c => c.ReasonNotRun is not null))
        {
            Assert.True(command.ReasonNotRun!.Length > 10, $"{command}\nis not run without a reason");
            if (command.Program == Ours) HasItsOptions(command);
            if (command.Program == "make") Assert.True(HasTarget(command.Words[1].Text), $"{command}\nis not in the Makefile");
            var scripts = command.Words.Select(w => w.Text).Where(w => Script().IsMatch(w));
            Assert.All(scripts, s => Assert.True(File.Exists(Path.Combine(Repository.Root, s)), $"{command}\nnames {s}: not there"));
        }
    }

    private static bool HasTarget(string name) =>
        File.ReadLines(Path.Combine(Repository.Root, "Makefile")).Any(l => l.StartsWith($"{name}:", StringComparison.Ordinal));

    private static void HasItsOptions(DocumentCommand command)
    {
        var words = command.Words.Select(w => w.Text).ToList();
        var help = HelpText.Of(words[1] == "sae" ? $"{words[1]} {words[2]}" : words[1]);
        var options = HelpText.Rows(help.Section("Options")).Select(r => r.Name.Split(' ')[0]).ToHashSet();
        var named = words.Where(w => w.StartsWith("--", StringComparison.Ordinal));
        Assert.All(named, w => Assert.True(options.Contains(w), $"{command}\nhas no option {w}"));
    }

    [GeneratedRegex("^runs/[^/*.]+")]
    private static partial Regex RunName();

    [GeneratedRegex(@"^[\w./-]+\.(py|sh|cs)$")]
    private static partial Regex Script();
}
