using System.Security.Cryptography;

namespace OnnxAttribution.Export;

/// <summary>Files of a bundle that is being made: written aside and renamed, hashed, and gone again when the export fails.</summary>
internal static class BundleFiles
{
    /// <summary>Writes a file aside, then renames it: never half a file.</summary>
    public static void WriteWhole(string path, Action<Stream> write)
    {
        var aside = path + ".part";
        try
        {
            using (var stream = File.Create(aside)) write(stream);
            File.Move(aside, path, overwrite: true);
        }
        finally
        {
            File.Delete(aside);
        }
    }

    /// <summary>A directory that was not there before goes again when writing fails; in one that was, no bundle.json says that it holds a bundle.</summary>
    public static T WholeOrNone<T>(string directory, Func<T> write)
    {
        var existed = Directory.Exists(directory);
        try
        {
            return write();
        }
        catch (Exception e)
        {
            if (!existed && Directory.Exists(directory)) Directory.Delete(directory, recursive: true);
            if (e is IOException or UnauthorizedAccessException) throw new BundleException($"{directory} cannot be written ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')}); choose a directory that is writable and has room", e);
            throw;
        }
    }

    /// <summary>Length and SHA-256 of files, by their paths in the bundle.</summary>
    public static IReadOnlyDictionary<string, BundleManifest.FileRecord> Records(string bundle, IReadOnlyList<string> files, int threads, CancellationToken cancel)
    {
        var records = new BundleManifest.FileRecord[files.Count];
        Parallel.For(0, files.Count, new ParallelOptions { CancellationToken = cancel, MaxDegreeOfParallelism = threads }, i =>
        {
            using var stream = File.OpenRead(Path.Combine(bundle, files[i]));
            records[i] = new BundleManifest.FileRecord(stream.Length, Convert.ToHexStringLower(SHA256.HashData(stream)));
        });
        return files.Zip(records).ToDictionary(p => p.First, p => p.Second);
    }

    /// <summary>A directory however it is spelled, links followed.</summary>
    public static string RealPath(string directory)
    {
        var path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
        return Directory.Exists(path) ? Directory.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path : path;
    }
}
