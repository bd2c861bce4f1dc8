using System.Diagnostics;
using System.Runtime.InteropServices;
using OnnxAttribution.Cli.Terminal;

namespace OnnxAttribution.Cli;

/// <summary>SIGINT, SIGTERM, SIGHUP and SIGQUIT: the first ends the run in order, one that comes seconds later at once.</summary>
/// <remarks>Within two seconds it is the same one: timeout(1) signals the process and then its group,
/// and a busy machine runs the handler late.</remarks>
internal sealed partial class EndingSignals : IDisposable
{
    private const int Hangup = 1;

    private static readonly TimeSpan s_sameSignal = TimeSpan.FromSeconds(2);

    private readonly CancellationTokenSource _interrupt = new();
    private readonly List<PosixSignalRegistration> _registered = [];
    private long _first;
    private int _number;

    public EndingSignals()
    {
        // looked at before .NET sets handlers of its own
        PosixSignal[] ending = IgnoresHangup()
            ? [PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGQUIT]
            : [PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGQUIT, PosixSignal.SIGHUP];
        foreach (var signal in ending) _registered.Add(PosixSignalRegistration.Create(signal, End));
    }

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Cancel => _interrupt.Token;

    /// <summary>What a shell expects of a process that ended by a signal: 128 and its number.
    /// A run that was done before the signal came has its own code.</summary>
    public int ExitCode(int code) => code == ExitCodes.Cancelled && _number != 0 ? 128 + _number : code;

    public void Dispose()
    {
        foreach (var registration in _registered) registration.Dispose();
        _interrupt.Dispose();
    }

    private void End(PosixSignalContext signal)
    {
        var now = Stopwatch.GetTimestamp();
        var begun = Interlocked.CompareExchange(ref _first, now, 0);
        if (begun != 0 && Stopwatch.GetElapsedTime(begun, now) > s_sameSignal) return;
        signal.Cancel = true;
        if (begun == 0) _number = NumberOf(signal.Signal);
        _interrupt.Cancel();
    }

    private static int NumberOf(PosixSignal signal) => signal switch
    {
        PosixSignal.SIGHUP => Hangup,
        PosixSignal.SIGQUIT => 3,
        PosixSignal.SIGTERM => 15,
        _ => 2,
    };

    // nohup(1) lets its command outlive the terminal, and a handler of ours would undo that
    private static bool IgnoresHangup()
    {
        if (OperatingSystem.IsWindows()) return false;
        var before = SetHandler(Hangup, 1);
        if (before != 1) SetHandler(Hangup, before);
        return before == 1;
    }

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint SetHandler(int signal, nint handler);
}
