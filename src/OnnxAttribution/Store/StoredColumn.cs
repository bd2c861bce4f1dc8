namespace OnnxAttribution.Store;

/// <summary>A column of a <see cref="StoredTable"/>.</summary>
/// <param name="Name">Not empty; SQL does not tell capitals from small letters.</param>
/// <param name="Type">What it holds.</param>
internal sealed record StoredColumn(string Name, StoredType Type);
