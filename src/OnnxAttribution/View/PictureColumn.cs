namespace OnnxAttribution.View;

/// <summary>A band of nodes at one token, or of one kind of site.</summary>
/// <param name="Label">The token's text, which may be any text.</param>
/// <param name="Position">Token position; null: the column is no position.</param>
/// <param name="IsTick">No node stands there, so that it is no wider than a mark.</param>
internal sealed record PictureColumn(string Label, int? Position, double Left, double Right, bool IsTick = false)
{
    public double Centre => (Left + Right) / 2;
}
