using System.Runtime.CompilerServices;
using System.Text;
using OnnxAttribution.Cli;
using OnnxAttribution.Cli.Terminal;

// before anything is called that lies in another file: with too few descriptors not even the assemblies can be opened
return DescriptorLimit.Refuses() ? ExitCodes.Failed : Run(args);

[MethodImpl(MethodImplOptions.NoInlining)]
static int Run(string[] args)
{
    Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
    using var signals = new EndingSignals();
    return signals.ExitCode(
        CommandLine.Run(args, Console.Out, Console.Error, signals.Cancel, code => Environment.Exit(signals.ExitCode(code))));
}
