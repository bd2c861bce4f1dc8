namespace OnnxAttribution.Files;

/// <summary>The name that options, columns and run.json have for a value of an enum.</summary>
internal static class EnumName
{
    public static string Of<T>(T value) where T : struct, Enum => value.ToString().ToLowerInvariant();

    /// <summary>The value of a name; null where there is none of that name. A number is no name.</summary>
    public static T? ValueOf<T>(string? name) where T : struct, Enum =>
        Enum.GetValues<T>().Where(v => Of(v) == name).Cast<T?>().FirstOrDefault();
}
