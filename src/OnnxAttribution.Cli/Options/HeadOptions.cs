using System.CommandLine;
using System.CommandLine.Parsing;
using OnnxAttribution.Attribution;

namespace OnnxAttribution.Cli.Options;

/// <summary>Options that name attention heads, as the field does: layer.head.</summary>
internal sealed class HeadOptions
{
    private const string Wanted = "a head as layer.head, such as 9.9";

    public HeadOptions() => Split.Validators.Add(result => Check(result, $"{Wanted}, or nothing"));

    /// <summary><c>--heads</c> of <c>graph</c>, alone or with a head.</summary>
    public Option<string?> Split { get; } = new("--heads")
    {
        Description = "split edges by attention heads, into heads.parquet; with a head, keep only what passes that one",
        HelpName = "LAYER.HEAD",
        Arity = ArgumentArity.ZeroOrOne,
    };

    /// <summary><c>--head</c> of <c>heads</c>.</summary>
    public static Option<string?> One(string description)
    {
        var option = new Option<string?>("--head") { Description = description, HelpName = "LAYER.HEAD" };
        option.Validators.Add(result => Check(result, Wanted));
        return option;
    }

    /// <summary>Refuses <c>--heads</c> beside what leaves nothing to split.</summary>
    public void Contradict(CommandResult result, Option aggregate, Option metric)
    {
        if (!result.IsGiven(Split)) return;
        if (result.GetResult(aggregate)?.Tokens is [{ Value: "sum" }, ..])
        {
            result.AddError("--aggregate sum leaves sums over positions, whose edges are not split by heads; "
                + "give --heads or --aggregate sum");
        }
        if (result.GetResult(metric)?.Tokens is [{ Value: "kl" }, ..])
        {
            result.AddError("--metric kl has no gradient at the clean run, so --heads cannot split its edges; take another metric");
        }
    }

    public HeadRequest? Request(ParseResult parsed) => parsed.GetResult(Split) is null ? null
        : new HeadRequest(parsed.GetValue(Split) is { } text ? HeadName.TryParse(text) : null);

    private static void Check(OptionResult result, string wanted)
    {
        if (result.Tokens is [{ Value: var text }, ..] && HeadName.TryParse(text) is null)
        {
            result.AddError($"{result.Option.Name} cannot be '{text}'; it takes {wanted}");
        }
    }
}
