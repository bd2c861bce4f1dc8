using System.CommandLine;
using System.CommandLine.Parsing;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>One of the things that <c>ablate</c> does, chosen by an option of its own.</summary>
internal abstract class AblateMode
{
    /// <summary>Options that only this mode has, <see cref="Choice"/> among them.</summary>
    public abstract IReadOnlyList<Option> Options { get; }

    /// <summary>The option that asks for this mode; null for the one that is meant where no other is asked for.</summary>
    public abstract Option? Choice { get; }

    /// <summary>Whether --model must be given.</summary>
    public virtual bool NeedsModel => true;

    /// <summary>Of the options that all modes share, those that this one has no use for.</summary>
    public virtual IReadOnlyList<Option> Unused(AblateArguments shared) => [];

    /// <summary>What is wrong with the options, added as errors.</summary>
    public virtual void Validate(CommandResult result, AblateArguments shared)
    {
    }

    /// <param name="start">Timestamp of the verb's start.</param>
    /// <returns>Exit code.</returns>
    public abstract int Run(ParseResult parsed, AblateArguments shared, RunContext context, long start);
}
