using System.Diagnostics;
using System.Globalization;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.Slurm;

/// <summary>Array jobs on a real Slurm of this one machine, which <c>slurm/local-cluster</c> starts and stops; run by
/// <c>make test-slurm</c> as root.</summary>
public sealed class SlurmTests : IDisposable
{
    private const int Tasks = 8;
    private static readonly string _model = Path.Combine(Repository.Root, "models", "tiny");
    private static readonly string _script = Path.Combine(Repository.Root, "slurm", "dataset.sbatch");
    private readonly TemporaryDirectory _directory = new();
    private readonly string _cluster;

    public SlurmTests()
    {
        _cluster = _directory["slurm"];
        // daemons keep what they inherit, so nothing of theirs is read
        Assert.Equal(0, Run(Path.Combine(Repository.Root, "slurm", "local-cluster"), false, "start", _cluster).Exit);
    }

    public void Dispose()
    {
        Run(Path.Combine(Repository.Root, "slurm", "local-cluster"), false, "stop", _cluster);
        _directory.Dispose();
    }

    // what a task writes is the dataset's own; what Slurm says of it goes into the test's output, for docs/scale.md
    [Fact(Explicit = true)]
    public void Eight_tasks_one_killed_and_requeued_make_the_bytes_of_one_process()
    {
        string[] lines = [.. Enumerable.Range(0, 240).Select(i =>
            $$"""{"prompt": "Copyright (C) {{1600 + i}} by the authors and", "id": "p{{i}}"}""")];
        File.WriteAllLines(_directory["p.jsonl"], lines);
        string[] options = ["--model", _model, "--prompts", _directory["p.jsonl"], "--part-size", "5", "--out"];
        var whole = TestedProgram.Call(["graph", .. options, _directory["whole"]]);
        Assert.Equal(0, Run(whole.FileName, false, [.. whole.ArgumentList]).Exit);

        string[] array = ["--parsable", $"--array=0-{Tasks - 1}", "--chdir", _directory.Path, _script, .. options, _directory["set"]];
        var job = Run("sbatch", true, array).Output.Trim();
        var killed = Killed(job, 3);
        Assert.Equal(0, Run("scontrol", true, "requeue", $"{job}_3").Exit);
        var ended = Ended(job);
        // the mean's pass
        var second = Run("sbatch", true, array).Output.Trim();
        Assert.All(Ended(second), task => Assert.Contains("JobState=COMPLETED", task));

        Assert.True(killed > 0, "it was killed before it had done anything");
        Assert.All(ended, task => Assert.Contains("JobState=COMPLETED", task));
        Assert.Contains("Restarts=1", ended.Single(task => task.Contains("ArrayTaskId=3 ")));
        Assert.Equal(Bytes("whole"), Bytes("set"));
        foreach (var task in ended) TestContext.Current.SendDiagnosticMessage(Times(task));
    }

    [Fact(Explicit = true)]
    public void A_task_that_fails_says_why_in_its_log()
    {
        var job = Run("sbatch", true, "--wait", "--parsable", "--array=0-1", "--chdir", _directory.Path, _script, "--model",
            _model, "--prompts", _directory["none.jsonl"], "--out", _directory["set"]).Output.Trim();
        foreach (var task in Enumerable.Range(0, 2))
        {
            var log = File.ReadAllText(_directory[$"dataset-{job}_{task}.log"]);
            Assert.Contains("none.jsonl", log);
            Assert.Single(log.Trim().Split('\n'));
        }
        Assert.All(Ended(job), task => Assert.Contains("JobState=FAILED", task));
    }

    // parts of the task's shard that were whole by then
    private int Killed(string job, int task)
    {
        var nodes = Path.Combine(_directory["set"], "nodes");
        int Done() => Directory.Exists(nodes)
            ? Enumerable.Range(18, 6).Count(part => File.Exists(Path.Combine(nodes, $"part-{part:D6}.parquet"))) : 0;
        for (var watch = Stopwatch.StartNew(); Done() < 1; Thread.Sleep(20))
        {
            Assert.True(watch.Elapsed < TimeSpan.FromMinutes(3), Run("squeue", true).Output);
        }
        // scancel would end the job as cancelled, which is no crash
        foreach (var process in Processes(job, task)) process.Kill();
        for (var watch = Stopwatch.StartNew(); !Show($"{job}_{task}").Contains("JobState=FAILED"); Thread.Sleep(50))
        {
            Assert.True(watch.Elapsed < TimeSpan.FromMinutes(1), Show($"{job}_{task}"));
        }
        var done = Done();
        Assert.InRange(done, 1, 5);
        return done;
    }

    private static IReadOnlyList<Process> Processes(string job, int task) => [.. Process.GetProcesses().Where(process =>
    {
        try
        {
            var variables = File.ReadAllText($"/proc/{process.Id}/environ").Split('\0');
            return variables.Contains($"SLURM_ARRAY_JOB_ID={job}") && variables.Contains($"SLURM_ARRAY_TASK_ID={task}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)   // it has ended, or is another's
        {
            return false;
        }
    })];

    private IReadOnlyList<string> Ended(string job)
    {
        for (var watch = Stopwatch.StartNew(); Run("squeue", true, "--noheader", "--jobs", job).Output.Trim() != ""; Thread.Sleep(200))
        {
            Assert.True(watch.Elapsed < TimeSpan.FromMinutes(5), Run("squeue", true).Output);
        }
        return Show(job).Trim().Split('\n');
    }

    private string Show(string job) => Run("scontrol", true, "show", "--oneliner", "job", job).Output;

    private static string Times(string task)
    {
        string Of(string key) => task.Split(' ').First(pair => pair.StartsWith(key + "=")).Split('=')[1];
        var (submitted, start, end) = (Time("SubmitTime"), Time("StartTime"), Time("EndTime"));
        return string.Create(CultureInfo.InvariantCulture,
            $"task {Of("ArrayTaskId")}: {(start - submitted).TotalSeconds} s in the queue, {(end - start).TotalSeconds} s run, "
            + $"{Of("Restarts")} restarts");
        DateTime Time(string key) => DateTime.Parse(Of(key), CultureInfo.InvariantCulture);
    }

    private Dictionary<string, string> Bytes(string dataset) => Directory
        .EnumerateFiles(_directory[dataset], "*", SearchOption.AllDirectories)
        .ToDictionary(file => Path.GetRelativePath(_directory[dataset], file), file => Convert.ToHexString(
            System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file))));

    private (int Exit, string Output) Run(string program, bool reads, params string[] args)
    {
        var start = new ProcessStartInfo(program, args) { RedirectStandardOutput = reads };
        start.Environment["SLURM_CONF"] = Path.Combine(_cluster, "slurm.conf");
        start.Environment["ONNX_ATTRIBUTION"] = string.Join(' ', TestedProgram.Command);
        using var process = Process.Start(start)!;
        var output = reads ? process.StandardOutput.ReadToEnd() : "";
        process.WaitForExit();
        return (process.ExitCode, output);
    }
}
