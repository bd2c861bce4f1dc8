using System.Runtime.InteropServices;
using System.Text;
using OnnxAttribution.Cli;

Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
using var interrupt = new CancellationTokenSource();
var signals = 0;

// the first Ctrl-C ends the run in order, the second at once
void Cancel(PosixSignalContext signal)
{
    if (Interlocked.Increment(ref signals) > 1) return;
    signal.Cancel = true;
    interrupt.Cancel();
}

using var sigint = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
using var sigterm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
return CommandLine.Run(args, Console.Out, Console.Error, interrupt.Token);
