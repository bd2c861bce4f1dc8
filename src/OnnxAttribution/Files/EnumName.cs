namespace OnnxAttribution.Files;

/// <summary>The name that options, columns and run.json have for a value of an enum.</summary>
internal static class EnumName
{
    public static string Of<T>(T value) where T : struct, Enum => value.ToString().ToLowerInvariant();
}
