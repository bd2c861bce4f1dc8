using System.Text;
using OnnxAttribution.Bench;
using OnnxAttribution.Cli;

Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
using var signals = new EndingSignals();
return signals.ExitCode(BenchProgram.Run(args, Console.Out, Console.Error, signals.Cancel));
