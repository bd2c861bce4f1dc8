using System.Diagnostics;
using System.Text.RegularExpressions;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The verb <c>completion</c>, and the directive of the command line that its scripts ask.</summary>
public sealed partial class CompletionTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public static TheoryData<string> Shells => ["bash", "zsh", "fish", "pwsh"];

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("", "ablate completion export features graph query sae validate view --help --version")]
    [InlineData("gr", "graph")]
    [InlineData("sae ", "check --help")]
    [InlineData("graph --met", "--method --metric")]
    [InlineData("graph --method ", "atp atpstar exact ig")]
    [InlineData("view runs/ioi --format d", "dot")]
    [InlineData("completion ", "bash fish pwsh zsh")]
    [InlineData("query --format ", "csv json parquet table")]
    [InlineData("graph --prepend-bos ", "false true")]
    [InlineData("graph --metric=lo", "--metric=logit --metric=logit-diff --metric=logprob")]
    [InlineData("graph --prompt a=b --metric=", "--metric=kl --metric=logit")]
    [InlineData("ablate --ablation ", "mean patch zero")]
    [InlineData("ablate --ablation zero,p", "zero,patch")]
    [InlineData("validate --compare gradient,ig,", "gradient,ig,frozen gradient,ig,relp")]
    [InlineData("export --further-sites z,", "z,resid_mid")]
    [InlineData("graph --all --all --prompt x --prompt y --aggregate ", "none sum")]
    public void A_line_is_completed_by_verbs_options_and_values(string line, string expected)
    {
        var suggested = Verb.Run($"[suggest:{line.Length}]", line)
            .Done().Output
            .Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        Assert.All(expected.Split(' '), word => Assert.Contains(word, suggested));
        if (line.EndsWith(' ') && line.Contains("--")) Assert.Equal(expected.Split(' '), suggested.Order(StringComparer.Ordinal));
        Assert.All(suggested, word => Assert.Contains(line.Split(' ')[^1], word));
        if (!OperatingSystem.IsWindows()) Assert.DoesNotContain(suggested, word => word.StartsWith('/'));
    }

    [Theory, MemberData(nameof(Verbs))]
    public void Whatever_is_typed_is_no_fault_and_values_of_a_few_words_are_offered(string verb, string options)
    {
        foreach (var (name, value) in Option().Matches(options).Select(m => (m.Groups["name"].Value, m.Groups["value"].Value)))
        {
            foreach (var line in (string[])[$"{verb} {name} ", $"{verb} {name}", $"{verb} {name} x {name} ", $"{verb} {name}=",
                $"{verb} {name}=x {name}=x --", $"{verb} {name} --"])
            {
                var suggested = Verb.Run($"[suggest:{line.Length}]", line).Done().Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
                if (line != $"{verb} {name} " || !value.Contains('|') || value.Any(char.IsAsciiLetterUpper)) continue;
                Assert.Equal(value.Split('|').Order(), suggested.Select(s => s.TrimEnd('\r')).Order());
            }
        }
    }

    /// <summary>Each verb and what the reference says of its options.</summary>
    public static TheoryData<string, string> Verbs
    {
        get
        {
            var sections = File.ReadAllText(Path.Combine(Repository.Root, "docs", "reference", "cli.md")).Split("\n## ");
            return [.. sections.Where(s => s.Split('\n')[0].All(c => char.IsAsciiLetterLower(c) || c == ' '))
                .Select(s => (s.Split('\n')[0], s))];
        }
    }

    [GeneratedRegex(@"^- `(?<name>--[a-z-]+)(?: <(?<value>[^>]+)>)?`", RegexOptions.Multiline)]
    private static partial Regex Option();

    [Theory, MemberData(nameof(Shells))]
    public void Each_shell_has_a_script_that_says_how_to_load_it(string shell)
    {
        var script = Verb.Run("completion", shell).Done().Output;
        Assert.Contains("[suggest:", script);
        Assert.Contains($"onnx-attribution completion {shell}",
            script.Split('\n').First(l => l.StartsWith("#     ", StringComparison.Ordinal)));
        Assert.DoesNotContain("\r", script);
    }

    [Fact]
    public void Another_shell_is_refused_and_all_are_named() =>
        Verb.Run("completion", "csh").Failed(2, "SHELL cannot be 'csh'", "bash|zsh|fish|pwsh");

    [Theory]
    [InlineData("onnx-attribution gr", "graph")]
    [InlineData("onnx-attribution graph --met", "--method --metric")]
    [InlineData("onnx-attribution graph --prompt 'two words' --method e", "exact")]
    [InlineData("onnx-attribution query runs/ioi --no", "")]
    [InlineData("onnx-attribution graph --metric=logit-", "--metric=logit-diff")]
    public void Bash_completes_with_the_script(string typed, string expected)
    {
        Assert.SkipUnless(File.Exists("/bin/bash"), "completes in bash");
        var script = _directory["completion.bash"];
        File.WriteAllText(script, Verb.Run("completion", "bash").Done().Output);
        Bash("-n", script);
        // what bash's readline does on a tab: it splits the line into words and calls the function
        const string tab = """
            set -e; source "$1"; COMP_LINE=$2; COMP_POINT=${#2}; called=("${@:3}")
            eval "COMP_WORDS=($2)"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            onnx-attribution() { "${called[@]}" "$@"; }
            [[ $(complete -p onnx-attribution) == *"-F _onnx_attribution"* ]]
            _onnx_attribution onnx-attribution "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"; echo "${COMPREPLY[@]}"
            """;
        var words = Bash(["-c", tab, "bash", script, typed, .. TestedProgram.Command]);
        Assert.Equal(expected, words.TrimEnd());
    }

    [Theory]
    [InlineData("graph --met", "--method --metric")]
    [InlineData("graph --metric=log", "--metric=logit --metric=logit-diff --metric=logprob")]
    [InlineData("graph --model ", "FILES")]
    [InlineData("graph --out runs/i", "FILES")]
    public void Zsh_completes_with_the_script(string typed, string expected)
    {
        Assert.SkipUnless(File.Exists("/bin/zsh") || File.Exists("/usr/bin/zsh"), "completes in zsh");
        var script = _directory["completion.zsh"];
        File.WriteAllText(script, Verb.Run("completion", "zsh").Done().Output);
        // what zsh's completion does on a tab: the function sees the line's words, and compadd fails where it is given none
        const string tab = """
            compdef() { }; _files() { print FILES; }
            compadd() { local -a given; given=("${(@P)2}"); (( $#given )) && print -- $given; }
            source $1; called=("${@:3}"); onnx-attribution() { "${called[@]}" "$@"; }
            words=(onnx-attribution "${(@s: :)2}"); CURRENT=$#words; _onnx_attribution
            """;
        Assert.Equal(expected, Verb.Start(new ProcessStartInfo("zsh", ["-f", "-c", tab, "zsh", script, typed, .. TestedProgram.Command]))
            .Done().Output.TrimEnd());
    }

    private static string Bash(params string[] args) => Verb.Start(new ProcessStartInfo("bash", args)).Done().Output;
}
