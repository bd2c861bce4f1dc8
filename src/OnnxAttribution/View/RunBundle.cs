using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.View;

/// <summary>The bundle that a picture's run was made of, as far as it is still there and still the same.</summary>
internal sealed class RunBundle
{
    private RunBundle(string? directory, string hash, string fault = "", bool isAnother = false) =>
        (Directory, Hash, Fault, IsAnother) = (directory, hash, fault, isAnother);

    /// <summary>Null: it is not to be had, and <see cref="Fault"/> says why.</summary>
    public string? Directory { get; }

    /// <summary>SHA-256 of its bundle.json.</summary>
    public string Hash { get; }

    /// <summary>Why it is not to be had.</summary>
    public string Fault { get; }

    /// <summary>There is a bundle, of another model.</summary>
    public bool IsAnother { get; }

    /// <param name="model">The bundle; null: where it was when the run was made.</param>
    /// <exception cref="BundleException"><paramref name="model"/> is no bundle.</exception>
    public static RunBundle Of(RunPicture picture, string? model)
    {
        var directory = model ?? (picture.Header.ModelPath is { } path ? BundlePath.Of(picture.Path, path) : null);
        if (model is null && (directory is null || !File.Exists(Path.Combine(directory, BundleManifest.FileName))))
        {
            return new RunBundle(null, "", $"the model is not at {directory ?? "a known place"} any more");
        }
        BundleManifest.Read(directory!);   // a bundle at all
        var hash = LoadedModel.HashOf(directory!);
        return picture.Header.BundleHash is { } run && run != hash
            ? new RunBundle(null, "", $"{directory} is another model than the run's", isAnother: true)
            : new RunBundle(directory!, hash);
    }
}
