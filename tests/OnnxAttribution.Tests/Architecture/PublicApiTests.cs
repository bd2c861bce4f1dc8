namespace OnnxAttribution.Tests.Architecture;

public class PublicApiTests
{
    [Fact]
    public void The_public_surface_is_the_approved_one()
    {
        var approved = Path.Combine(SourceTree.Root, "tests", "OnnxAttribution.Tests", "Architecture", "public-api.txt");
        var found = Path.Combine(AppContext.BaseDirectory, "public-api.txt");
        var surface = PublicSurface.Of(typeof(OnnxAttribution.Attribution.GraphFinder).Assembly);
        File.WriteAllText(found, surface);
        var (before, after) = (Lines(File.Exists(approved) ? File.ReadAllText(approved) : ""), Lines(surface));
        if (before.SequenceEqual(after)) return;
        var changes = before.Except(after).Select(l => "- " + l).Concat(after.Except(before).Select(l => "+ " + l))
            .DefaultIfEmpty("(order or repeated lines)");
        Assert.Fail($"""
            The public surface of OnnxAttribution.dll changed:
            {string.Join('\n', changes)}
            If that is meant, replace {approved}:
                cp '{found}' '{approved}'
            If not, make it internal.
            """);
    }

    // with the type before each member, so that a member that moves is seen
    private static List<string> Lines(string surface)
    {
        var type = "";
        return [.. surface.ReplaceLineEndings("\n")
            .Split('\n')
            .Where(l => l.Length > 0)
            .Select(l => l.StartsWith(' ') ? $"{type}: {l.Trim()}" : type = l)];
    }
}
