using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.View;

/// <summary>The graph of the README, made once for all tests that only look at it.</summary>
public sealed class TinyRun : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public TinyRun() =>
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--target", ")", "--out", Path, "--no-page").Done();

    public string Path => _directory["copyright"];

    /// <summary>A copy to be changed, without a page.</summary>
    public string Copy(string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.GetFiles(Path)) File.Copy(file, System.IO.Path.Combine(to, System.IO.Path.GetFileName(file)));
        return to;
    }

    public void Dispose() => _directory.Dispose();
}
