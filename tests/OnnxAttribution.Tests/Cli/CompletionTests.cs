using System.Diagnostics;

namespace OnnxAttribution.Tests.Cli;

/// <summary>The verb <c>completion</c>, and the directive of the command line that its scripts ask.</summary>
public sealed class CompletionTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public static TheoryData<string> Shells => ["bash", "zsh", "fish", "pwsh"];

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("", "ablate completion export features graph query sae validate view --help --version")]
    [InlineData("gr", "graph")]
    [InlineData("sae ", "check --help")]
    [InlineData("graph --met", "--method --metric")]
    [InlineData("graph --method ", "atp exact ig")]
    [InlineData("view runs/ioi --format d", "dot")]
    [InlineData("completion ", "bash fish pwsh zsh")]
    public void A_line_is_completed_by_verbs_options_and_values(string line, string expected)
    {
        var suggested = Verb.Run($"[suggest:{line.Length}]", line)
            .Done().Output
            .Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        Assert.All(expected.Split(' '), word => Assert.Contains(word, suggested));
        Assert.All(suggested, word => Assert.Contains(line.Split(' ')[^1], word));
        if (!OperatingSystem.IsWindows()) Assert.DoesNotContain(suggested, word => word.StartsWith('/'));
    }

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

    private static string Bash(params string[] args) => Verb.Start(new ProcessStartInfo("bash", args)).Done().Output;
}
