using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>Parts of one dataset that were computed in several directories, brought together: files are copied, and none is opened beyond
/// its first and last bytes. The result depends neither on the order of the directories nor on their number.</summary>
/// <param name="Parts">How many parts the dataset has.</param>
/// <param name="Missing">Parts that none of the directories has whole, from 0, ascending.</param>
/// <param name="Copied">Files that were not there yet, or were damaged.</param>
/// <param name="HasMean">Whether the mean came with them.</param>
internal sealed record DatasetMerge(int Parts, IReadOnlyList<int> Missing, int Copied, bool HasMean)
{
    private const int Buffer = 1 << 20;

    /// <summary>Brings datasets together.</summary>
    /// <param name="sources">Directories of datasets, whole or begun.</param>
    /// <param name="path">Where to; a dataset that is there must be of the same request, and is added to.</param>
    /// <param name="cancel">Ends the copying; every file is there whole or not at all, and the same call goes on.</param>
    /// <exception cref="RunDirectoryException">The directories were asked for different things, two have different bytes of a part, one is
    /// no dataset, or the result cannot be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static DatasetMerge Of(IReadOnlyList<string> sources, string path, CancellationToken cancel)
    {
        var sets = sources.DistinctBy(RealPath.Of).Select(DatasetDirectory.Read).ToList();
        foreach (var other in sets.Skip(1)) DatasetDirectory.RequireSame(sets[0], other);
        var to = DatasetDirectory.Begin(path, sets[0].Record, resume: true, cancel);
        to.RemoveLeftovers();
        // what is there already is one of them
        sets = [.. sets.Where(set => RealPath.Of(set.Path) != RealPath.Of(to.Path)).Append(to)];
        var (copied, missing) = (TakeExpandedPrompts(sets, to, cancel), new List<int>());
        var mean = sets.Find(set => set.HasMean);
        for (var part = 0; part < to.Record.Parts; part++)
        {
            var first = sets.Where(set => set.IsWhole(part)).ToList();
            if (first.Count == 0) missing.Add(part);
            else copied += Take(part, Tables(first, part), first, to, cancel);
            if (mean is null && first.Count > 0)
            {
                var second = sets.Where(set => set.IsSummed(part)).ToList();
                if (second.Count > 0) copied += Take(part, DatasetNames.SecondSums, second, to, cancel);
            }
        }
        if (mean is not null && missing.Count == 0) copied += TakeMean(mean, sets, to, cancel);
        return new(to.Record.Parts, missing, copied, to.HasMean);
    }

    // the prompts last, as in every dataset; of what the mean is made from what all have, since a dataset with its mean has none
    private static IEnumerable<string> Tables(List<DatasetDirectory> sets, int part) =>
    [
        DatasetNames.Nodes, DatasetNames.Edges, .. FurtherTables.Names.Where(table => sets.Any(set => File.Exists(set.File(table, part)))),
        .. DatasetNames.FirstSums.Where(table => sets.Any(set => File.Exists(set.File(table, part)))), DatasetNames.Prompts,
    ];

    private static int Take(int part, IEnumerable<string> tables, List<DatasetDirectory> sets, DatasetDirectory to,
        CancellationToken cancel)
    {
        var copied = 0;
        foreach (var table in tables)
        {
            // what is whole of a part that is not has to be the same too; what is damaged is replaced
            var place = to.File(table, part);
            string[] files = [.. sets.Select(set => set.File(table, part)).Append(place).Distinct().Where(ParquetFile.IsWhole)];
            RequireSame(files, cancel);
            if (files.Length > 0 && !files.Contains(place)) copied += Copy(files[0], place, to.Path, cancel);
        }
        return copied;
    }

    private static int TakeExpandedPrompts(List<DatasetDirectory> sets, DatasetDirectory to, CancellationToken cancel)
    {
        var place = Path.Combine(to.Path, DatasetNames.ExpandedPrompts);
        string[] files = [.. sets.Select(set => Path.Combine(set.Path, DatasetNames.ExpandedPrompts)).Where(File.Exists)];
        RequireSame(files, cancel);
        return files.Length == 0 || files.Contains(place) ? 0 : Copy(files[0], place, to.Path, cancel);
    }

    private static int TakeMean(DatasetDirectory mean, List<DatasetDirectory> sets, DatasetDirectory to, CancellationToken cancel)
    {
        string[] names = [RunNames.NodesFile, RunNames.EdgesFile, RunNames.RecordFile];
        foreach (var other in sets.Where(set => set.HasMean && set != mean))
        {
            foreach (var name in names.SkipLast(1))   // run.json says where the model was
            {
                var (one, another) = (Path.Combine(mean.Mean, name), Path.Combine(other.Mean, name));
                if (!AreSame(one, another, cancel)) throw RunDirectoryException.DifferentParts(one, another);
            }
        }
        if (to.HasMean) return 0;
        to.CheckMean();
        try
        {
            using var output = new OutputDirectory(to.Mean);
            foreach (var name in names) File.Copy(Path.Combine(mean.Mean, name), Path.Combine(output.Aside, name));
            output.Commit();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(to.Path, e);
        }
        to.RemoveSums();
        return names.Length;
    }

    private static int Copy(string from, string to, string dataset, CancellationToken cancel)
    {
        using var output = new OutputFile(to, why => RunDirectoryException.Unwritable(dataset, why), cancel);
        try
        {
            // the system copies, and shares the blocks where the file system can
            File.Copy(from, output.Aside, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(dataset, e);
        }
        cancel.ThrowIfCancellationRequested();
        output.Commit();
        return 1;
    }

    private static void RequireSame(string[] files, CancellationToken cancel)
    {
        foreach (var other in files.Skip(1))
        {
            if (!AreSame(files[0], other, cancel)) throw RunDirectoryException.DifferentParts(files[0], other);
        }
    }

    private static bool AreSame(string one, string other, CancellationToken cancel)
    {
        using FileStream a = RegularFile.OpenRead(one), b = RegularFile.OpenRead(other);
        if (a.Length != b.Length) return false;
        var (left, right) = (new byte[Buffer], new byte[Buffer]);
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            var read = a.ReadAtLeast(left, Buffer, throwOnEndOfStream: false);
            b.ReadAtLeast(right, read, throwOnEndOfStream: false);
            if (!left.AsSpan(0, read).SequenceEqual(right.AsSpan(0, read))) return false;
            if (read < Buffer) return true;
        }
    }
}
