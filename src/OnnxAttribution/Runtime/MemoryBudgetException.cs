using OnnxAttribution.Files;

namespace OnnxAttribution.Runtime;

/// <summary>Not even one cotangent fits the memory budget; the message names the budget that would do.</summary>
public sealed class MemoryBudgetException : OnnxAttributionException
{
    /// <param name="what">Of which one does not fit.</param>
    /// <param name="budget">Bytes.</param>
    /// <param name="needed">Bytes.</param>
    internal MemoryBudgetException(string what, long budget, long needed) : base(
        $"{what} needs {needed / (1 << 20) + 1} MiB for one node, more than the budget of {budget / (1 << 20)} MiB; give it more memory") =>
        Settings = [Setting.Memory];
}
