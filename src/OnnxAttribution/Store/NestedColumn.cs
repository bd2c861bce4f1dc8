namespace OnnxAttribution.Store;

/// <summary>A column of a <see cref="NestedParquet"/> file.</summary>
/// <param name="Name">Not empty.</param>
/// <param name="SqlType">As DuckDB writes it: <c>INTEGER</c>, <c>FLOAT[]</c>, <c>STRUCT(token VARCHAR, logit FLOAT)[]</c>.</param>
/// <param name="Meaning">As in <see cref="StoredColumn.Meaning"/>.</param>
internal sealed record NestedColumn(string Name, string SqlType, string Meaning)
{
    /// <summary>Whether its cells travel as JSON.</summary>
    public bool IsNested => SqlType.EndsWith(']') || SqlType.EndsWith(')');

    /// <summary>Its cell as text, on the way out of a file.</summary>
    public string AsText => IsNested ? $"to_json({SqlText.Name(Name)})::VARCHAR" : $"{SqlText.Name(Name)}::VARCHAR";

    /// <summary>A cell of text, on the way into a file.</summary>
    public string FromText => $"{SqlText.Name(Name)}{(IsNested ? "::JSON" : "")}::{SqlType} AS {SqlText.Name(Name)}";
}
