using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Cli.Options;

/// <summary>The options that every verb has. Only verbs that run a model heed the device.</summary>
internal sealed class CommonOptions
{
    public CommonOptions()
    {
        Device.AcceptOnlyFromAmong("cpu", "cuda");
        Threads.AtLeast(1);
    }

    public Option<string> Device { get; } = new("--device")
    {
        Description = "where graphs run: cpu or cuda",
        HelpName = "cpu|cuda",
        DefaultValueFactory = _ => "cpu",
        Recursive = true
    };
    private Option<int?> Threads { get; } = new("--threads")
    {
        Description = "threads to use, at most one per core that the process may use; default: as many",
        HelpName = "N",
        Recursive = true
    };
    public Option<bool> Verbose { get; } = new("--verbose") { Description = "on an error, the stack trace too", Recursive = true };

    /// <param name="version">What --version does.</param>
    public void AddTo(RootCommand root, CommandLineAction version)
    {
        root.Options.Add(Device);
        root.Options.Add(Threads);
        root.Options.Add(Verbose);
        root.Options.OfType<VersionOption>().Single().Action = version;
        // elsewhere than on Windows a word that begins with a slash is a path
        if (OperatingSystem.IsWindows()) return;
        var help = root.Options.OfType<HelpOption>().Single().Aliases;
        foreach (var slashed in help.Where(a => a.StartsWith('/')).ToList()) help.Remove(slashed);
    }

    /// <param name="memory">The verb's own option, in MiB; null: the default.</param>
    /// <param name="lanes">How many prompts can be worked at side by side, where the device is a processor.</param>
    public RunContext Context(ParseResult parsed, CancellationToken cancel, Option<int>? memory = null, int lanes = 1)
    {
        var device = parsed.GetValue(Device) == "cuda" ? DeviceKind.Cuda : DeviceKind.Cpu;
        return new(device, UsableThreads(parsed) ?? 0, cancel,
            memory is null ? RunContext.DefaultMemoryBudget : (long)parsed.GetValue(memory) << 20, device == DeviceKind.Cpu ? lanes : 1);
    }

    /// <summary>The threads asked for, but no more than there are cores: a warning says so. null: none were asked for.</summary>
    public int? UsableThreads(ParseResult parsed)
    {
        if (parsed.GetValue(Threads) is not { } asked || asked <= RunContext.UsableCores) return parsed.GetValue(Threads);
        var cores = Screen.Count(RunContext.UsableCores, "core");
        parsed.InvocationConfiguration.Error.WriteLine(
            $"warning: --threads {asked}: this process may use {cores}, so as many threads are used");
        return RunContext.UsableCores;
    }
}
