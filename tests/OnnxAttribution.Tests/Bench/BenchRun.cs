using OnnxAttribution.Bench;

namespace OnnxAttribution.Tests.Bench;

/// <summary>One call of the benchmark's command line, in this process.</summary>
internal sealed record BenchRun(int Code, string Output, string Error)
{
    /// <summary>A model so small that it is made within a second.</summary>
    public static string[] Small(string cache) =>
        ["--layers", "1", "--width", "64", "--features", "128", "--vocabulary", "300", "--tokens", "4", "--runs", "2", "--cache", cache];

    public static BenchRun Start(params string[] args)
    {
        using StringWriter output = new(), error = new();
        var code = BenchProgram.Run(args, output, error);
        return new BenchRun(code, output.ToString(), error.ToString());
    }

    public BenchRun Done()
    {
        Assert.True(Code == 0, $"exit code {Code}: {Error}");
        return this;
    }
}
