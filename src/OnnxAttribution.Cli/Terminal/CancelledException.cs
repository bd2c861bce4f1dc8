namespace OnnxAttribution.Cli.Terminal;

/// <summary>Cancelled with something to say about what stays.</summary>
internal sealed class CancelledException(string message) : OperationCanceledException(message);
