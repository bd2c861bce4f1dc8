namespace OnnxAttribution.Tests.Store;

/// <summary>An empty directory with a name that SQL, globs and shells all trip over. Who makes it disposes it.</summary>
internal sealed class AwkwardDirectory : IDisposable
{
    public AwkwardDirectory() => Directory.CreateDirectory(Path);

    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"o'a [store]*? \"test\" é {Guid.NewGuid():N}");

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
