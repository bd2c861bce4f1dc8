namespace OnnxAttribution.Tests;

/// <summary>The checkout that the tests were built in.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    public static string TinyModel => Path.Combine(Root, "models", "tiny");

    private static string Find()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "OnnxAttribution.sln"))) return at.FullName;
        }
        throw new DirectoryNotFoundException("the tests do not lie in a checkout: no OnnxAttribution.sln above them");
    }
}
