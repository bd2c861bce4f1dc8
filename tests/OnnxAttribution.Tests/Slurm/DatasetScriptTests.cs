using System.Diagnostics;

namespace OnnxAttribution.Tests.Slurm;

/// <summary>What <c>slurm/dataset.sbatch</c> gives the program, without a Slurm.</summary>
public sealed class DatasetScriptTests
{
    [Theory, InlineData("16", "--threads 4", "--threads 4"), InlineData("16", "--threads=4", "--threads=4"),
        InlineData("16", "--threads:4", "--threads:4"), InlineData(null, "--threads 4", "--threads 4"),
        InlineData("16", "--memory 900", "--memory 900 --threads 16"), InlineData(null, "--memory 900", "--memory 900")]
    public void The_number_of_threads_is_given_once(string? cores, string options, string told)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "runs bash");
        string[] given = [Path.Combine(Repository.Root, "slurm", "dataset.sbatch"), "--model", "m", .. options.Split(' ')];
        var start = new ProcessStartInfo("bash", given) { RedirectStandardOutput = true };
        start.Environment["ONNX_ATTRIBUTION"] = "echo";
        start.Environment["SLURM_ARRAY_TASK_ID"] = "3";
        start.Environment.Remove("SLURM_CPUS_PER_TASK");
        if (cores is not null) start.Environment["SLURM_CPUS_PER_TASK"] = cores;
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal((0, $"graph --resume --model m {told}"), (process.ExitCode, output.Trim()));
    }
}
