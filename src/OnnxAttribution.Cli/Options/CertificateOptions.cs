using System.CommandLine;
using System.CommandLine.Parsing;
using OnnxAttribution.Runs;

namespace OnnxAttribution.Cli.Options;

/// <summary>Options that ask how large what a graph has left out can be.</summary>
internal sealed class CertificateOptions
{
    // fewer subsets than these bound nothing
    private const int Least = 18;

    private readonly Option<int?> _samples;
    private readonly Option<float?> _threshold = NumberOptions.Threshold("--missed-above",
        "|effect| above which a dropped node or edge counts as missed (the smallest that is kept)", "0.001");

    /// <param name="name"><c>--certify</c> or <c>--bound</c>.</param>
    /// <param name="seed">The verb's option.</param>
    public CertificateOptions(string name, Option<int> seed)
    {
        Seed = seed;
        _samples = new Option<int?>(name)
        {
            Description = "bound with 95 % confidence what was left out: N dropped nodes, N random subsets of them and N dropped edges "
                + $"are really patched ({CertificateRequest.UsualSamples})",
            HelpName = "N",
            Arity = ArgumentArity.ZeroOrOne,
        };
        _samples.AtLeast(Least);
    }

    public Option<int> Seed { get; }

    /// <summary>In the order of the help, the verb's seed apart.</summary>
    public Option[] All => [_samples, _threshold];

    public bool IsAsked(CommandResult result) => result.IsGiven(_samples);

    /// <summary>null where it was not asked for.</summary>
    public CertificateRequest? Request(ParseResult parsed) => parsed.GetResult(_samples) is null ? null
        : new CertificateRequest(parsed.GetValue(_samples) ?? CertificateRequest.UsualSamples, parsed.GetValue(Seed),
            parsed.GetValue(_threshold));

    /// <summary>Refuses what goes with a certificate where none is asked for.</summary>
    /// <param name="others">Options of it alone, beside <c>--missed-above</c>.</param>
    public void Contradict(CommandResult result, params ReadOnlySpan<Option> others)
    {
        if (IsAsked(result)) return;
        foreach (var option in (Option[])[_threshold, .. others])
        {
            if (result.IsGiven(option)) result.AddError($"{option.Name} goes with {_samples.Name}");
        }
    }
}
