using System.CommandLine;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Cli;

/// <summary>The options that every verb has. Only verbs that run a model heed the device.</summary>
internal sealed class CommonOptions
{
    public CommonOptions()
    {
        Device.AcceptOnlyFromAmong("cpu", "cuda");
        Threads.AtLeast(1);
    }

    public Option<string> Device { get; } = new("--device") { Description = "where graphs run: cpu or cuda", HelpName = "cpu|cuda", DefaultValueFactory = _ => "cpu", Recursive = true };
    public Option<int?> Threads { get; } = new("--threads") { Description = "threads to use; default: one per core", HelpName = "N", Recursive = true };
    public Option<bool> Verbose { get; } = new("--verbose") { Description = "on an error, the stack trace too", Recursive = true };

    public void AddTo(RootCommand root)
    {
        root.Options.Add(Device);
        root.Options.Add(Threads);
        root.Options.Add(Verbose);
    }

    public RunContext Context(ParseResult parsed, CancellationToken cancel) =>
        new(parsed.GetValue(Device) == "cuda" ? DeviceKind.Cuda : DeviceKind.Cpu, parsed.GetValue(Threads) ?? 0, cancel);
}
