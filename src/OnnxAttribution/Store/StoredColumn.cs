using System.Text.Json;

namespace OnnxAttribution.Store;

/// <summary>A column of a <see cref="StoredTable"/>.</summary>
/// <param name="Name">Not empty; SQL does not tell capitals from small letters.</param>
/// <param name="Type">What it holds.</param>
internal sealed record StoredColumn(string Name, StoredType Type)
{
    /// <param name="name">As in <see cref="Name"/>.</param>
    /// <param name="type">As in <see cref="Type"/>.</param>
    /// <param name="meaning">As in <see cref="Meaning"/>.</param>
    public StoredColumn(string name, StoredType type, string meaning) : this(name, type) => Meaning = meaning;

    /// <summary>A line of Markdown: of what the value is, in which unit, and where it is NULL.
    /// Empty where the program does not write the column itself.</summary>
    public string Meaning { get; } = "";

    /// <summary>Files of earlier versions lack it, and are read as if NULL stood there.</summary>
    public bool IsLater { get; init; }

    /// <summary>The type's name in SQL.</summary>
    public string SqlType => Type.ToString().ToUpperInvariant();

    /// <summary>A column that holds a property of a record, and is called as that is, in snake case.</summary>
    public static StoredColumn Of(string property, StoredType type, string meaning) =>
        new(JsonNamingPolicy.SnakeCaseLower.ConvertName(property), type, meaning);

    /// <summary>By name and type: a file does not say what its columns mean.</summary>
    public bool Equals(StoredColumn? other) => other is not null && Name == other.Name && Type == other.Type;

    public override int GetHashCode() => HashCode.Combine(Name, Type);
}
