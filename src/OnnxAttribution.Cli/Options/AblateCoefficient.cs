using System.CommandLine;
using System.Globalization;

namespace OnnxAttribution.Cli.Options;

/// <summary>The option <c>--coefficient</c>, one for all modes of <c>ablate</c> that take it.</summary>
internal static class AblateCoefficient
{
    public static Option<float> Option() => new("--coefficient")
    {
        Description = "what activations are multiplied by: 0 takes them away, 1 changes nothing",
        HelpName = "X",
        DefaultValueFactory = _ => 0,
        CustomParser = result =>
        {
            if (float.TryParse(result.Tokens[0].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var x) && float.IsFinite(x))
            {
                return x;
            }
            result.AddError($"--coefficient cannot be '{result.Tokens[0].Value}'; it takes a number, such as 0 or 0.5");
            return 0;
        },
    };
}
