using System.Diagnostics;
using OnnxAttribution.Cli;

namespace OnnxAttribution.Tests.Cli;

/// <summary>One call of the command line: what it returned and printed.</summary>
internal sealed record Verb(int Code, string Output, string Error)
{
    public static Verb Run(params string[] args) => Run(CancellationToken.None, args);

    /// <summary>In this process, unless <see cref="TestedProgram"/> is another program.</summary>
    /// <param name="cancel">What Ctrl-C is to a program; a signal before it has begun would end it without a word.</param>
    public static Verb Run(CancellationToken cancel, params string[] args) =>
        TestedProgram.Other is null || cancel.IsCancellationRequested ? RunHere(cancel, args) : Start(TestedProgram.Call(args), cancel);

    /// <summary>In this process, where a test watches what it does: what Main calls, with writers of our own.</summary>
    public static Verb RunHere(CancellationToken cancel, params string[] args)
    {
        using StringWriter output = new(), error = new();
        var code = CommandLine.Run(args, output, error, cancel);
        return new Verb(code, output.ToString(), error.ToString());
    }

    /// <summary>A call of a program of its own.</summary>
    public static Verb Start(ProcessStartInfo start, CancellationToken cancel = default)
    {
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        using var process = Process.Start(start)!;
        using var interrupt = cancel.Register(() => Interrupt(process.Id));
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        var code = Patience.ExitOf(process);
        return new Verb(code, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }

    private static void Interrupt(int process)
    {
        using var kill = Process.Start("kill", ["-INT", $"{process}"]);
        kill.WaitForExit();
    }

    /// <summary>It went well and complained about nothing.</summary>
    public Verb Done()
    {
        Assert.True(Code == 0 && Error.Length == 0, $"exit code {Code}: {Error}");
        return this;
    }

    /// <summary>It failed with one line on stderr that has all of these words, and nothing on stdout.</summary>
    public Verb Failed(int code, params string[] words)
    {
        Assert.True(code == Code, $"exit code {Code}, not {code}: {Error}{Output}");
        Assert.Equal("", Output);
        Assert.EndsWith("\n", Error);
        Assert.Single(Error.TrimEnd('\r', '\n').Split('\n'));
        Assert.All(words, word => Assert.Contains(word, Error));
        return this;
    }
}
