namespace OnnxAttribution.Tests.Checkpoints;

/// <summary>A directory that is gone when the test is.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("onnx-attribution-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
