using OnnxAttribution.Autodiff;

namespace OnnxAttribution.Tests.Autodiff;

/// <summary>The cases in which an estimator other than true derivatives has a rule of its own.</summary>
internal static class EstimatorCases
{
    private static readonly Dictionary<string, string[]> s_changed = new()
    {
        ["relp"] = ["LayerNormalization", "RMSNormalization", "Gelu", "Sigmoid"],
        ["frozen"] = ["LayerNormalization", "RMSNormalization", "Softmax"],
        ["gim"] = ["LayerNormalization", "RMSNormalization", "Softmax", "MatMul", "Gelu", "Sigmoid"],
    };

    public static GradientRules RulesOf(string estimator) => estimator switch
    {
        "relp" => GradientRules.Relp,
        "frozen" => GradientRules.Frozen,
        "gim" => GradientRules.Gim,
        _ => GradientRules.Gradient,
    };

    public static TheoryData<string, string, KnownAxes> Operators
    {
        get
        {
            var data = new TheoryData<string, string, KnownAxes>();
            foreach (var (estimator, changed) in s_changed)
            {
                foreach (var row in RuleCoverage.Cases((f, _) => f.Graph.Node.Any(n => changed.Contains(n.OpType)) && HasRules(f)))
                {
                    data.Add(estimator, row.Data.Item1, row.Data.Item2);
                }
            }
            return data;
        }
    }

    public static TheoryData<string, string> Segments
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var estimator in s_changed.Keys)
            {
                foreach (var row in SegmentCases.Names) data.Add(estimator, row.Data);
            }
            return data;
        }
    }

    // as in JvpRulesTests: neither TopK nor a product with a vector has a tangent rule
    private static bool HasRules(OperatorCase f) => RuleCoverage.Differentiated(f).All(JvpRules.Table.ContainsKey)
        && !f.Name.Contains("vector", StringComparison.Ordinal);
}
