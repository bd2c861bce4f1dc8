namespace OnnxAttribution.Store;

/// <summary>A column of a query's result: every cell is a text, and these say what the texts are.</summary>
/// <param name="Name">As the query calls it; two columns may share a name.</param>
/// <param name="IsNumber">Its texts are numbers (or nan, inf and -inf), to be aligned to the right.</param>
/// <param name="IsJson">Its texts are JSON: lists, structs and maps.</param>
/// <param name="IsBoolean">Its texts are <c>true</c> and <c>false</c>.</param>
public sealed record QueryColumn(string Name, bool IsNumber, bool IsJson, bool IsBoolean);
