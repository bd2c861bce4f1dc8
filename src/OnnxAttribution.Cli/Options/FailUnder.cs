using System.CommandLine;
using System.Globalization;
using OnnxAttribution.Bundles;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Store;

namespace OnnxAttribution.Cli.Options;

/// <summary>Figures that a validation must reach, of nodes and of edges, for scripts: <c>--fail-under pearson=0.9</c>.</summary>
internal sealed class FailUnder
{
    private const string OptionName = "--fail-under";

    private static readonly (string Name, Func<AgreementRecord, double?> Of)[] s_figures =
        [("pearson", a => a.Pearson), ("spearman", a => a.Spearman), ("sign", a => a.SignAgreement), ("recall", a => a.TopRecall)];

    public static string Names => string.Join('|', s_figures.Select(f => f.Name));

    public Option<string[]> Option { get; } = new(OptionName)
    {
        Description = $"exit with 1 where a figure of nodes or of edges is under X: {Names}; may be repeated",
        HelpName = "NAME=X",
        DefaultValueFactory = _ => [],
    };

    public FailUnder() => Option.Validators.Add(result =>
    {
        foreach (var token in result.Tokens)
        {
            if (Wrong(token.Value) is not { } wrong) continue;
            result.AddError(wrong);
            break;
        }
    });

    /// <summary>What falls short, in words; none where all is well. A figure that is not defined falls short too.</summary>
    public static IReadOnlyList<string> Shortfalls(ValidationRecord validation, IEnumerable<string> limits)
    {
        if (validation.Nodes.Count + validation.Edges.Count == 0)
        {
            return limits.Any() ? ["there was nothing to check, as no node has an effect"] : [];
        }
        var result = new List<string>();
        foreach (var limit in limits)
        {
            var (name, figure, least) = Parsed(limit);
            var model = validation.InRealModel is null ? "" : " in the replacement model";
            foreach (var (of, agreement) in new[] { ("nodes" + model, validation.Nodes), ("edges" + model, validation.Edges) })
            {
                if (agreement.Count == 0) continue;   // kl with exact effects has no edges at all
                if (figure(agreement) is not { } value)
                {
                    result.Add($"{name} of {of} is not defined, as nothing varies");
                }
                else if (value < least)
                {
                    result.Add($"{name} of {of} is {Screen.Number(value)}, under {Screen.Number(least)}");
                }
            }
        }
        return result;
    }

    private static (string Name, Func<AgreementRecord, double?> Of, double Least) Parsed(string limit)
    {
        var parts = limit.Split('=');
        var (name, of) = s_figures.First(f => f.Name == parts[0]);
        return (name, of, double.Parse(parts[1], CultureInfo.InvariantCulture));
    }

    private static string? Wrong(string limit)
    {
        var parts = limit.Split('=');
        if (parts.Length != 2) return $"{OptionName} cannot be '{limit}'; it takes a name and a number, such as pearson=0.9";
        if (s_figures.All(f => f.Name != parts[0]))
        {
            return $"{OptionName} knows no '{parts[0]}'. Did you mean '{SpellCheck.Among(s_figures.Select(f => f.Name), parts[0])}'? It "
                + $"knows {string.Join(", ", s_figures.Select(f => f.Name))}";
        }
        return double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out var x) && double.IsFinite(x)
            && Math.Abs(x) <= 1 ? null
            : $"{OptionName} {parts[0]} cannot be '{parts[1]}'; it takes a number from -1 to 1, such as 0.9";
    }
}
