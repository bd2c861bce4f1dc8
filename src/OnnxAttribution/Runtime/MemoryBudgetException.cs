namespace OnnxAttribution.Runtime;

/// <summary>Not even one cotangent fits the memory budget; the message names the budget that would do.</summary>
public sealed class MemoryBudgetException(string what, long budget, long needed) : Exception(
    $"{what} needs {needed / (1 << 20) + 1} MiB for one node, more than the budget of {budget / (1 << 20)} MiB; give it more memory");
