namespace OnnxAttribution.Onnx;

/// <summary>Operators outside of the standard: their domain that is read in part,
/// and how a model is exported without those that are not read.</summary>
internal static class ContribDomain
{
    /// <summary>ONNX Runtime's own domain.</summary>
    public const string Name = "com.microsoft";

    public const string WithoutOptimizer = "export the model without graph optimisation "
        + "(optimum's optimize option, onnxruntime.transformers.optimizer): torch.onnx.export writes standard operators";

    public const string WithoutCache = "export the model without one (use_cache=False; optimum's task text-generation, not -with-past)";

    private const string Unquantised = "its weights are quantised: export the unquantised model "
        + "(optimum without quantize, onnxruntime-genai's builder with precision fp32)";

    /// <param name="domain">The operator's domain.</param>
    /// <param name="type">Its name in it.</param>
    /// <param name="known">The operators of <see cref="Name"/> that are read.</param>
    /// <returns>What it is, and what to do, for a message that has named the node.</returns>
    public static string Advice(string domain, string type, IEnumerable<string> known) => (domain, type) switch
    {
        (Name, "MoE" or "QMoE") => "is a mixture of experts, which is not read; bring a model without experts",
        (Name, _) when IsQuantised(type) => $"is not read; {Unquantised}",
        (Name, _) when type.Contains("Attention", StringComparison.Ordinal) =>
            $"is a kind of attention of domain {domain} that is not read; {WithoutOptimizer}",
        _ => $"is of domain {Op.Short(domain)}, which is no standard ONNX, and not one of {Name}'s that are read "
            + $"({string.Join(", ", known)}); {WithoutOptimizer}",
    };

    /// <summary>Whether an operator, of any domain, works on quantised numbers.</summary>
    public static bool IsQuantised(string type) => (type.StartsWith('Q') && type != "QuickGelu")
        || ((string[])["Quantize", "Dequantize", "Integer", "NBits", "Bnb4", "Q4", "Float8", "Fp4", "Fp8"])
            .Any(s => type.Contains(s, StringComparison.Ordinal));
}
