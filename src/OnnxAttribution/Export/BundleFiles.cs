using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using OnnxAttribution.Checkpoints;

namespace OnnxAttribution.Export;

/// <summary>Files of a bundle that is being made: written aside and renamed, hashed, and gone again when the export fails.</summary>
internal static class BundleFiles
{
    /// <summary>What a bundle holds of its model's directory beside weights, where it is there: the config, and everything that a tokenizer is read from.</summary>
    public static readonly string[] Companions = ["config.json", "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

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

    /// <summary>Reads files of weights through, several at a time, and passes if all weights are finite numbers.</summary>
    /// <param name="checks">With the paths that the files have, or will have, in the bundle; the largest first.</param>
    /// <returns>Length and SHA-256 by these paths: the files are not read again for them.</returns>
    /// <exception cref="CheckpointException">The first NaN or infinity that was met.</exception>
    public static IReadOnlyDictionary<string, BundleManifest.FileRecord> Check(IEnumerable<(string Path, WeightCheck Check)> checks, int threads, CancellationToken cancel)
    {
        var records = new ConcurrentDictionary<string, BundleManifest.FileRecord>();
        try
        {
            // one by one: files handed out in bunches would leave a thread with all of the last ones
            Parallel.ForEach(Partitioner.Create(checks, EnumerablePartitionerOptions.NoBuffering), new ParallelOptions { CancellationToken = cancel, MaxDegreeOfParallelism = threads },
                c => records[c.Path] = new BundleManifest.FileRecord(c.Check.File.Length, c.Check.Run(cancel)));
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
        return records;
    }

    /// <summary>Length and SHA-256 of files, by their paths in the bundle.</summary>
    /// <param name="known">What need not be read again.</param>
    public static IReadOnlyDictionary<string, BundleManifest.FileRecord> Records(
        string bundle, IReadOnlyList<string> files, IReadOnlyDictionary<string, BundleManifest.FileRecord> known, int threads, CancellationToken cancel)
    {
        var records = new BundleManifest.FileRecord[files.Count];
        Parallel.For(0, files.Count, new ParallelOptions { CancellationToken = cancel, MaxDegreeOfParallelism = threads }, i =>
        {
            if (known.TryGetValue(files[i], out var record))
            {
                records[i] = record;
                return;
            }
            using var stream = File.OpenRead(Path.Combine(bundle, files[i]));
            records[i] = new BundleManifest.FileRecord(stream.Length, Convert.ToHexStringLower(SHA256.HashData(stream)));
        });
        return files.Zip(records).ToDictionary(p => p.First, p => p.Second);
    }
}
