namespace OnnxAttribution.Cli;

/// <summary>Options that parse but cannot be meant so: exit code 2.</summary>
internal sealed class UsageException(string message) : Exception(message);
