namespace OnnxAttribution.Cli.Options;

/// <summary>Options that parse but cannot be meant so: exit code 2.</summary>
internal sealed class UsageException(string message) : Exception(message);
