using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;

namespace OnnxAttribution.Bundles;

/// <summary>Files of a bundle: hashed when it is made, and looked at when it is opened.</summary>
internal static class BundleFiles
{
    /// <summary>What a bundle holds of its model's directory beside weights, where it is there:
    /// the config, and everything that a tokenizer is read from.</summary>
    public static readonly string[] Companions = ["config.json", "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "added_tokens.json"];

    /// <summary>What a dictionary's folder may hold; the first two are in every one.</summary>
    public static readonly string[] DictionaryFiles =
        [SaeLensDictionary.ConfigFileName, SaeLensDictionary.WeightsFileName, SaeLensDictionary.ScalerFileName];

    /// <summary>The files of a dictionary, by their paths in the bundle: the two that every one has, and what else there is.</summary>
    /// <param name="find">Where a file of the bundle lies.</param>
    public static IEnumerable<string> OfDictionary(Func<string, string> find, BundleManifest.DictionaryRecord record) =>
        DictionaryFiles.Select(f => $"{record.Path}/{f}").Where((f, i) => i < 2 || File.Exists(find(f)))
            .Concat(record.Screen is { } screen ? [screen] : Array.Empty<string>());

    /// <summary>Reads files of weights through, several at a time, and passes if all weights are finite numbers.</summary>
    /// <param name="checks">With the paths that the files have, or will have, in the bundle; the largest first.</param>
    /// <returns>SHA-256 by these paths: the files are not read again for them.</returns>
    /// <exception cref="CheckpointException">The first NaN or infinity that was met.</exception>
    public static IReadOnlyDictionary<string, string> Check(IEnumerable<(string Path, WeightCheck Check)> checks, int threads,
        CancellationToken cancel)
    {
        var hashes = new ConcurrentDictionary<string, string>();
        try
        {
            // one by one: files handed out in bunches would leave a thread with all of the last ones
            Parallel.ForEach(Partitioner.Create(checks, EnumerablePartitionerOptions.NoBuffering),
                new ParallelOptions { CancellationToken = cancel, MaxDegreeOfParallelism = threads },
                c => hashes[c.Path] = c.Check.Run(cancel));
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
        return hashes;
    }

    /// <summary>Length and hashes of files, by their paths in the bundle.</summary>
    /// <param name="find">Where a file of the bundle lies until the bundle is whole.</param>
    /// <param name="known">SHA-256 of what need not be read again.</param>
    public static IReadOnlyDictionary<string, BundleManifest.FileRecord> Records(
        Func<string, string> find, IReadOnlyList<string> files, IReadOnlyDictionary<string, string> known, int threads,
        CancellationToken cancel)
    {
        var records = new BundleManifest.FileRecord[files.Count];
        Parallel.For(0, files.Count, new ParallelOptions { CancellationToken = cancel, MaxDegreeOfParallelism = threads }, i =>
        {
            var path = find(files[i]);
            records[i] = new BundleManifest.FileRecord(new FileInfo(path).Length, known.GetValueOrDefault(files[i]) ?? Sha256(path),
                FileSample.Of(path));
        });
        return files.Zip(records).ToDictionary(p => p.First, p => p.Second);
    }

    /// <summary>Refuses a bundle whose files are not the ones that bundle.json speaks of, as far as a fast look tells.</summary>
    /// <exception cref="BundleException">A file lies elsewhere, is missing, or changed after the export.</exception>
    public static void RequireSame(string bundle, BundleManifest manifest)
    {
        var files = manifest.Files.ToList();
        foreach (var (name, record) in files)
        {
            var info = new FileInfo(Inside(bundle, name));
            if (RegularFile.Problem(info.FullName) is { } problem) throw new BundleException($"{info.FullName} cannot be read: {problem}");
            if (!info.Exists) throw new BundleException($"{info.FullName} is missing; export the bundle again");
            if (info.Length != record.Bytes) throw Changed(info.FullName, $"has {info.Length} bytes, bundle.json says {record.Bytes}");
        }
        RequireSameSamples(bundle, files);
        foreach (var dictionary in manifest.Dictionaries)
        {
            if (OfDictionary(name => Path.Combine(bundle, name), dictionary)
                .FirstOrDefault(f => !manifest.Files.ContainsKey(f)) is { } unlisted)
            {
                throw new BundleException($"{Path.Combine(bundle, BundleManifest.FileName)} names the dictionary {dictionary.Path}, "
                    + $"and lists no {unlisted}; export the bundle again");
            }
        }
    }

    private static void RequireSameSamples(string bundle, List<KeyValuePair<string, BundleManifest.FileRecord>> files)
    {
        var samples = new string[files.Count];
        var faults = new Exception?[files.Count];
        Parallel.For(0, files.Count, i =>
        {
            try
            {
                samples[i] = FileSample.Of(Path.Combine(bundle, files[i].Key));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                faults[i] = e;
            }
        });
        for (var i = 0; i < files.Count; i++)
        {
            if (faults[i] is { } fault)
            {
                throw new BundleException(
                    $"{Path.Combine(bundle, files[i].Key)} cannot be read: {FileFault.Words(fault, "check its permissions")}", fault);
            }
            if (samples[i] != files[i].Value.Xxh128)
            {
                throw Changed(Path.Combine(bundle, files[i].Key), "holds other bytes than bundle.json says");
            }
        }
    }

    /// <summary>Reads every file through.</summary>
    /// <returns>Paths of the files that are not what bundle.json says, in its order.</returns>
    /// <exception cref="BundleException">A file lies elsewhere, is missing, or has another length.</exception>
    public static IReadOnlyList<string> Differing(string bundle, BundleManifest manifest, CancellationToken cancel)
    {
        var files = manifest.Files.ToList();
        var differs = new bool[files.Count];
        foreach (var (name, _) in files)
        {
            if (!File.Exists(Inside(bundle, name)))
            {
                throw new BundleException($"{Path.Combine(bundle, name)} is missing; export the bundle again");
            }
        }
        Parallel.For(0, files.Count, new ParallelOptions { CancellationToken = cancel },
            i => differs[i] = new FileInfo(Path.Combine(bundle, files[i].Key)).Length != files[i].Value.Bytes
                || Sha256(Path.Combine(bundle, files[i].Key)) != files[i].Value.Sha256);
        return [.. files.Where((_, i) => differs[i]).Select(f => f.Key)];
    }

    /// <summary>Where a file is that bundle.json names.</summary>
    /// <exception cref="BundleException">Outside of the bundle's folder, by its name or by a link.</exception>
    public static string Inside(string bundle, string name)
    {
        var manifest = Path.Combine(bundle, BundleManifest.FileName);
        if (!IsInside(name))
        {
            throw new BundleException(
                $"{manifest} names '{name}', which is not in its folder; a bundle holds all its files, export it again");
        }
        var real = RealPath.Of(bundle);
        var at = real;
        foreach (var part in name.Split('/'))
        {
            at = Path.Combine(at, part);
            if (new FileInfo(at).LinkTarget is null) continue;
            var target = File.ResolveLinkTarget(at, returnFinalTarget: true)!.FullName;
            if (!target.StartsWith(real + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            {
                throw new BundleException($"{Path.Combine(bundle, name)} is a link to {target}, outside of the bundle; "
                    + "put the file itself there, or export the bundle to another directory");
            }
        }
        return Path.GetFullPath(Path.Combine(bundle, name));
    }

    /// <summary>Whether a name, links aside, can only be that of a file below the bundle's folder.</summary>
    public static bool IsInside(string name) =>
        name.Length > 0 && !Path.IsPathRooted(name) && !name.Contains('\\') && !name.Split('/').Any(part => part is "" or "..");

    /// <summary>The first folder of a relative path that is a link; null where none is.</summary>
    public static string? LinkIn(string directory, string folder)
    {
        for (; !string.IsNullOrEmpty(folder); folder = Path.GetDirectoryName(folder)!)
        {
            if (new FileInfo(Path.Combine(directory, folder)).LinkTarget is not null) return Path.Combine(directory, folder);
        }
        return null;
    }

    /// <summary>SHA-256 in hexadecimal digits.</summary>
    public static string Sha256(string path)
    {
        using var stream = RegularFile.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static BundleException Changed(string path, string how) =>
        new($"{path} {how}: it changed after the export; export the bundle again");
}
