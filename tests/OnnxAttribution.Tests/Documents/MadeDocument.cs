namespace OnnxAttribution.Tests.Documents;

/// <summary>A document that a test makes: what the repository has is compared with what it should be.</summary>
internal static class MadeDocument
{
    /// <summary>Fails, with the command that makes the document anew, where it is not <paramref name="text"/>.</summary>
    public static void Holds(string name, string text)
    {
        var (approved, made) = (Path.Combine(Repository.Root, name), Path.Combine(AppContext.BaseDirectory, Path.GetFileName(name)));
        File.WriteAllText(made, text);
        if (File.Exists(approved) && File.ReadAllText(approved).ReplaceLineEndings("\n") == text) return;
        Assert.Fail($"{name} is not what it is made from; make it anew:\n    cp '{made}' '{approved}'");
    }
}
