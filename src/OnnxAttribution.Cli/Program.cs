using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using OnnxAttribution.Cli;

Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
using var interrupt = new CancellationTokenSource();
var first = 0L;

// the first Ctrl-C ends the run in order, one that comes seconds later at once; within two it is the same one: timeout(1) signals the process and then its group, and a busy machine runs this late
void Cancel(PosixSignalContext signal)
{
    var now = Stopwatch.GetTimestamp();
    var begun = Interlocked.CompareExchange(ref first, now, 0);
    if (begun != 0 && Stopwatch.GetElapsedTime(begun, now) > TimeSpan.FromSeconds(2)) return;
    signal.Cancel = true;
    interrupt.Cancel();
}

using var sigint = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
using var sigterm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
return CommandLine.Run(args, Console.Out, Console.Error, interrupt.Token);
