using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

// the mean, and what it is made from
internal sealed partial class DatasetDirectory
{
    /// <summary>The run directory of the mean.</summary>
    public string Mean => System.IO.Path.Combine(Path, RunNames.Mean);

    // of the mean's files when they were last found whole: nobody changes one without changing that
    private (long Length, DateTime Written)[]? _wholeMean;

    /// <summary>Whether the mean is there, and whole. Its files are opened once, and again where one has changed.</summary>
    public bool HasMean
    {
        get
        {
            (long, DateTime)[] now = [.. MeanFiles.Select(name => new FileInfo(System.IO.Path.Combine(Mean, name)))
                .Select(file => file.Exists ? (file.Length, file.LastWriteTimeUtc) : default)];
            if (_wholeMean is not null && now.AsSpan().SequenceEqual(_wholeMean)) return true;
            var isWhole = Directory.Exists(Mean) && FaultOfMean() is null;
            _wholeMean = isWhole ? now : null;
            return isWhole;
        }
    }

    private static string[] MeanFiles => [RunNames.NodesFile, RunNames.EdgesFile, RunNames.RecordFile];

    /// <summary>Which file of a mean that is there is missing or damaged; null: none, or there is no mean.</summary>
    public RunDirectoryException? FaultOfMean()
    {
        if (!Directory.Exists(Mean)) return null;
        try
        {
            ParquetFile.Checked(Mean, RunNames.NodesFile);
            ParquetFile.Checked(Mean, RunNames.EdgesFile);
            RunFile.Read(System.IO.Path.Combine(Mean, RunNames.RecordFile));
            return null;
        }
        catch (RunDirectoryException e)
        {
            return e;
        }
    }

    /// <summary>Refuses what is in the mean's place and is neither whole nor to be replaced. Changes nothing.</summary>
    /// <exception cref="RunDirectoryException">It is no run, or holds what no run wrote.</exception>
    public void CheckMean()
    {
        if (HasMean) return;
        try
        {
            PendingRun.Check(Mean, force: true);
        }
        catch (RunDirectoryException) when (HasMean)
        {
            // another program has put it there meanwhile
        }
    }

    /// <summary>Whether a part's second pass is whole.</summary>
    public bool IsSummed(int part) => DatasetNames.SecondSums.All(table => ParquetFile.IsWhole(File(table, part)));

    /// <summary>Reads files of the dataset in SQL, on one thread.</summary>
    /// <exception cref="RunDirectoryException">One is missing or damaged.</exception>
    public T Reading<T>(string[] files, Func<DuckDbDatabase, string[], T> read)
    {
        try
        {
            // where memory does not do
            using var spill = new OutputDirectory(System.IO.Path.Combine(Path, "spill"));
            using var database = DuckDbLender.Lend(System.IO.Path.Combine(spill.Aside, "duckdb"), ("threads", "1"));
            return read(database, files);
        }
        catch (DuckDbException e)
        {
            throw RunDirectoryException.Corrupt(
                Array.Find(files, f => e.Message.Contains(f, StringComparison.Ordinal) || !ParquetFile.IsReadable(f)) ?? files[0], e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unwritable(Path, e);
        }
    }

    /// <summary>Puts the mean in its place, also of one that is damaged, unless another program does.</summary>
    /// <param name="contents">Made while nobody else can.</param>
    /// <returns>False: another program is at it.</returns>
    /// <exception cref="RunDirectoryException">It cannot be written, or the sums are damaged.</exception>
    public bool TryWriteMean(Func<RunContents> contents, CancellationToken cancel)
    {
        try
        {
            using var turn = AsideName.ClaimAlone(System.IO.Path.Combine(Path, DatasetNames.Sums), TimeSpan.FromSeconds(2), cancel);
            if (!HasMean) RunDirectory.Write(Mean, contents(), force: true, cancel);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    /// <summary>Removes what the mean is made from, once it is there.</summary>
    public void RemoveSums()
    {
        var sums = System.IO.Path.Combine(Path, DatasetNames.Sums);
        if (!HasMean || !Directory.Exists(sums)) return;
        try
        {
            Directory.Delete(sums, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // another shard that ended was quicker
        }
    }
}
