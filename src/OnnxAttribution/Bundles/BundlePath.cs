namespace OnnxAttribution.Bundles;

/// <summary>Where the bundle of a run is. run.json keeps its path as it was given,
/// as a rule relative to where the command was called, and a run is read from anywhere.</summary>
internal static class BundlePath
{
    /// <summary>A relative path is tried from here, then from the run and from each directory above it;
    /// the first that holds a bundle counts. Whether it is the run's own, its hash says.</summary>
    /// <param name="run">The run directory, or a file in it.</param>
    /// <param name="path">The path in run.json.</param>
    /// <returns>The path as given where it leads to a bundle from here, or from nowhere; else the absolute path.</returns>
    public static string Of(string run, string path)
    {
        if (IsBundle(path) || Path.IsPathRooted(path)) return path;
        for (var above = Path.GetFullPath(run); above is not null; above = Path.GetDirectoryName(above))
        {
            if (Path.GetFullPath(path, above) is var place && IsBundle(place)) return place;
        }
        return path;
    }

    private static bool IsBundle(string directory) => File.Exists(Path.Combine(directory, BundleManifest.FileName));
}
