using System.Diagnostics;
using System.Runtime.InteropServices;
using OnnxAttribution.Tests.Store;

namespace OnnxAttribution.Tests.Cli;

/// <summary>Queries that would take all memory, or that heed no interrupt: each ends in one line.</summary>
public sealed partial class QueryBombTests
{
    [Theory]
    [InlineData("SELECT list(i) FROM range(2000000000) t(i)")]
    [InlineData("SELECT string_agg(i::VARCHAR, ',') FROM range(2000000000) t(i)")]
    public void What_DuckDB_counts_ends_at_its_limit(string sql)
    {
        using var directory = new AwkwardDirectory();
        Verb.Run("query", RunSamples.Write(directory), sql).Failed(1, "more memory than it may have", "too large");
    }

    [Theory]
    [InlineData("SELECT length(repeat('x', 3000000000))")]
    [InlineData("SELECT list_sum(range(1000000000))")]
    [InlineData("SELECT printf('%1000000000d', 1)")]
    public async Task What_DuckDB_does_not_count_ends_with_the_process(string sql)
    {
        using var directory = new AwkwardDirectory();
        using var process = Start("query", RunSamples.Write(directory), sql);
        var error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(1, process.ExitCode);
        Assert.Contains("more memory than it may have", Assert.Single(error.TrimEnd().Split('\n')));
    }

    [Fact]
    public async Task A_call_that_heeds_no_interrupt_ends_all_the_same()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "sends a signal and reads /proc");
        using var directory = new AwkwardDirectory();
        string run = RunSamples.Write(directory), file = directory["out.csv"];
        // 10^12 steps, hours, of a single call
        using var process = Start("query", run, "SELECT levenshtein(repeat('ab', 500000), repeat('ba', 500000))",
            "--format", "parquet", "--out", file);
        try
        {
            while (!process.HasExited && !File.ReadAllText($"/proc/{process.Id}/maps").Contains("duckdb"))
            {
                await Task.Delay(50, TestContext.Current.CancellationToken);
            }
            await Task.Delay(1000, TestContext.Current.CancellationToken);
            Assert.False(process.HasExited);
            Assert.Equal(0, Kill(process.Id, 15));
            Assert.True(process.WaitForExit(TimeSpan.FromMinutes(3)), "it did not end");
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
        Assert.Equal(128 + 15, process.ExitCode);
        Assert.Contains("cancelled",
            Assert.Single((await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken)).TrimEnd().Split('\n')));
        Assert.Equal([run], Directory.EnumerateFileSystemEntries(directory.Path));
    }

    [Theory]
    [InlineData("SELECT levenshtein(repeat('ab', 500000), repeat('ba', 500000))")]     // heeds no interrupt
    [InlineData("SELECT count(*) FROM range(100000000000000) t(i) WHERE i % 7 = 3")]
    public async Task A_query_that_takes_longer_than_it_may_says_so(string sql)
    {
        using var directory = new AwkwardDirectory();
        using var process = Start("query", RunSamples.Write(directory), sql, "--timeout", "1");
        var error = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(1, process.ExitCode);
        Assert.Contains("took longer than its timeout of 1 seconds", Assert.Single(error.TrimEnd().Split('\n')));
    }

    private static Process Start(params string[] args)
    {
        var start = TestedProgram.Call(args);
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        return Process.Start(start)!;
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
