using System.CommandLine;
using System.CommandLine.Parsing;
using System.Diagnostics;
using OnnxAttribution.Cli.Options;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>ablate</c>: what really happens when features are taken away.</summary>
internal static class AblateCommand
{
    private const string Description = """
        Take features away for real, and see what changes: every active feature in turn (the exact graph), a circuit, or one feature by
        degrees; or set features to values.

        Example: onnx-attribution ablate --model models/tiny --prompt "Copyright (C" --target ")" --sites resid --out runs/ablated
        """;

    public static Command Create(CommonOptions common)
    {
        var (coefficient, controls) = (NumberOptions.Coefficient(), CircuitControls.Option());
        AblateMode[] modes = [new AblateGraphMode(coefficient), AblateCircuitMode.OfCircuit(coefficient, controls),
            AblateCircuitMode.OfValues(coefficient, controls),
            new AblateFaithfulnessMode(controls), new AblateCurveMode()];
        var shared = new AblateArguments();
        var command = new Command("ablate", Description);
        foreach (var option in shared.All.Concat(modes.SelectMany(m => m.Options)).Distinct()) command.Options.Add(option);
        command.Checks(result => Validate(result, modes, shared));
        command.Runs((parsed, cancel) =>
        {
            var start = Stopwatch.GetTimestamp();
            return Chosen(parsed.CommandResult, modes).Run(parsed, shared, common.Context(parsed, cancel, shared.Memory), start);
        });
        return command;
    }

    private static AblateMode Chosen(CommandResult result, AblateMode[] modes) =>
        modes.FirstOrDefault(m => m.Choice is { } choice && result.IsGiven(choice)) ?? modes.First(m => m.Choice is null);

    private static void Validate(CommandResult result, AblateMode[] modes, AblateArguments shared)
    {
        var asked = modes.Where(m => m.Choice is { } choice && result.IsGiven(choice)).ToList();
        if (asked.Count > 1)
        {
            result.AddError($"{asked[0].Choice!.Name} and {asked[1].Choice!.Name} ask for different things; give one of them");
            return;
        }
        var chosen = Chosen(result, modes);
        if (chosen.NeedsModel && !result.IsGiven(shared.Model)) result.AddError(AblateArguments.MissingModel);
        foreach (var option in modes.SelectMany(m => m.Options)
            .Except(chosen.Options)
            .Concat(chosen.Unused(shared))
            .Where(o => result.IsGiven(o)))
        {
            var owner = modes.FirstOrDefault(m => m.Options.Contains(option));
            result.AddError(owner is { Choice: { } choice }
                ? $"{option.Name} goes with {choice.Name}"
                : $"{option.Name} has no meaning {(chosen.Choice is { } c ? $"with {c.Name}" : "here")}; leave it out");
        }
        // a circuit's run may have the metric
        if (chosen is AblateGraphMode || (chosen is AblateCircuitMode && result.IsGiven(shared.Metric.Kind)))
        {
            OptionLimits.FoilNeedsLogitDiff(result, shared.Prompt.Foil, shared.Metric.Kind);
        }
        chosen.Validate(result, shared);
    }
}
