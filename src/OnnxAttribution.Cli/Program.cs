using System.Text;
using OnnxAttribution.Cli;

Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
using var signals = new EndingSignals();
return signals.ExitCode(CommandLine.Run(args, Console.Out, Console.Error, signals.Cancel, code => Environment.Exit(signals.ExitCode(code))));
