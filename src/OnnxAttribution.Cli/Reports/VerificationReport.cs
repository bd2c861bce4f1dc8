using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Verification;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What <c>verify</c> prints: every value that was expected, and what came.</summary>
internal sealed class VerificationReport(IReadOnlyList<VerifiedValue> values, double seconds)
{
    public JsonObject ToJson() => new()
    {
        ["values"] = FeatureReport.Array(values, v => new JsonObject
        {
            ["group"] = v.Group,
            ["step"] = v.Step,
            ["what"] = v.What,
            ["expected"] = v.Expected,
            ["measured"] = v.Measured,
            ["verdict"] = Word(v.Verdict),
            ["why"] = v.Why,
            ["source"] = v.Source,
            ["command"] = Typed(v),
        }),
        ["passed"] = Count(Verdict.Passed),
        ["failed"] = Count(Verdict.Failed),
        ["differ"] = Count(Verdict.Differs),
        ["seconds"] = seconds,
    };

    public void Print(TextWriter output)
    {
        foreach (var group in values.GroupBy(v => v.Group))
        {
            var table = Screen.Table(group.Key, "step", "what", "expected", "#measured", "", "source");
            foreach (var v in group) table.AddRow(v.Step, v.What, v.Expected, v.Measured, Word(v.Verdict), v.Source);
            Screen.On(output).Show(table, mayDrop: 1);
        }
        foreach (var step in values.Where(v => v.Verdict != Verdict.Passed).GroupBy(v => (v.Group, v.Step)))
        {
            output.WriteLine($"{step.Key.Group}.{step.Key.Step}: {Typed(step.First())}");
            foreach (var why in step.Select(v => v.Why).OfType<string>().Distinct()) output.WriteLine($"  {why}");
        }
        var differ = Count(Verdict.Differs);
        output.WriteLine($"{Count(Verdict.Passed)} passed, {Count(Verdict.Failed)} failed"
            + $"{(differ > 0 ? $", {differ} differ that are reported only" : "")}; time {seconds:0.0} s");
    }

    private int Count(Verdict verdict) => values.Count(v => v.Verdict == verdict);

    private static string Typed(VerifiedValue v) => $"onnx-attribution {string.Join(' ', v.Command.Select(VerbAction.Quoted))}";

    private static string Word(Verdict verdict) => verdict switch
    {
        Verdict.Passed => "passed",
        Verdict.Failed => "FAILED",
        _ => "differs",
    };
}
