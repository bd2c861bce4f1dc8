using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.Bench;

public class BenchProgramTests
{
    [Theory]
    [InlineData("--layers cannot be 'x'", "--layers", "x")]
    [InlineData("--nodes 0 is too little", "--nodes", "0")]
    [InlineData("--runs 0 is too little", "--runs", "0")]
    [InlineData("--cache is empty; give it a directory", "--cache", "")]
    [InlineData("pythia-70m|gpt2|gpt2-medium|llama-1b|gemma-2-2b|gemma-3-270m|qwen3-0.6b", "--model-shape", "gtp2")]
    [InlineData("--layers has no meaning with --model-shape", "--model-shape", "pythia-70m", "--layers", "3")]
    [InlineData("--nodes has no meaning with --ablate", "--ablate", "--nodes", "3")]
    [InlineData("--measure goes with --ablate", "--measure", "last")]
    [InlineData("--first has no meaning with --ablate", "--ablate", "--first")]
    [InlineData("--runs has no meaning with --first", "--first", "--runs", "2")]
    [InlineData("--tokens has no meaning with --coverage", "--coverage", "3", "--tokens", "8")]
    [InlineData("--layers has no meaning with --dataset", "--dataset", "3", "--layers", "8")]
    [InlineData("--dataset 0 is too little", "--dataset", "0")]
    [InlineData("--coverage 0 is too little", "--coverage", "0")]
    [InlineData("--width 65 is no multiple of 64", "--width", "65")]
    [InlineData("--tokens 1 must be 2 to 1024", "--tokens", "1")]
    [InlineData("--vocabulary must be 300 or more", "--vocabulary", "299")]
    [InlineData("there is no option '--layer'", "--layer", "3")]
    [InlineData("--peers nowhere.json cannot be read", "--peers", "nowhere.json")]
    public void Wrong_usage_is_told_before_anything_is_made(string words, params string[] args)
    {
        var run = BenchRun.Start(args);
        Assert.Equal((2, ""), (run.Code, run.Output));
        Assert.StartsWith("bench: ", run.Error);
        Assert.Contains(words, Assert.Single(run.Error.TrimEnd().Split('\n')));
    }

    [Fact]
    public void A_program_that_is_not_there_is_told()
    {
        using var directory = new TemporaryDirectory();
        var run = BenchRun.Start([.. BenchRun.Small(directory["cache"]), "--edges", "1000", "--program", directory["none.dll"]]);
        Assert.Equal(2, run.Code);
        Assert.Contains($"--program {directory["none.dll"]} is not there", run.Error);
    }

    [Fact]
    public void The_help_has_examples() => Assert.Contains("Example: OnnxAttribution.Bench", BenchRun.Start("--help").Done().Output);

    /// <summary>For one version: whoever types it is told where it went.</summary>
    [Theory, InlineData("bench"), InlineData("bench", "--model-shape", "gpt2", "--json")]
    public void The_former_verb_says_where_it_went(params string[] args) => Verb.Run(args).Failed(2, "make bench", "benchmarks/README.md");

    [Fact]
    public void The_former_verb_is_in_no_list()
    {
        Assert.DoesNotContain("bench", Verb.Run("--help").Done().Output);
        Assert.DoesNotContain("bench", Verb.Run("nonsense").Failed(2, "export").Error);
    }
}
