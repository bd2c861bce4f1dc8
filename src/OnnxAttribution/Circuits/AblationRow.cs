using OnnxAttribution.Bundles;

namespace OnnxAttribution.Circuits;

/// <summary>What becomes of the errors of the selected sites when only a circuit is kept.</summary>
internal enum ErrorRule
{
    /// <summary>They stay, whatever the circuit.</summary>
    Keep,

    /// <summary>They are ablated, whatever the circuit.</summary>
    Remove,

    /// <summary>They are nodes as features are: kept where they are listed.</summary>
    Nodes,
}

/// <summary>What one row of a pass ablates.</summary>
/// <param name="KeepsCircuit">Everything but the circuit is ablated; else the circuit.</param>
internal sealed record AblationRow(Circuit Circuit, bool KeepsCircuit, ErrorRule Errors = ErrorRule.Keep)
{
    /// <summary>What is listed at a site and position; whether it is what stays; whether the error there is ablated.</summary>
    public (ListedAt Listed, bool Stay, bool AblatesError) At(Site site, int position)
    {
        var listed = Circuit.At(site, position);
        var error = Errors switch { ErrorRule.Keep => false, ErrorRule.Remove => true, _ => listed.HasError != KeepsCircuit };
        return (listed, KeepsCircuit, error);
    }
}
