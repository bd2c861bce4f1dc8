using System.Runtime.ExceptionServices;
using OnnxAttribution.Clusters;

namespace OnnxAttribution.Store;

/// <summary>A dataset's circuits as sparse vectors: each prompt's kept features with their effects, summed over positions and, where asked
/// for, its edges. Error nodes are no features, and are left out.</summary>
internal sealed class DatasetVectors
{
    // beyond so many the one that puts vectors together has no time for more
    private const int MostThreads = 8, PartsAtOnce = 4;

    private readonly Dictionary<CircuitColumn, int> _places = [];
    private readonly TextNumbers _sites = new();
    private readonly List<(string? Site, int Feature)> _columns = [];
    private readonly List<PromptRow> _prompts = [], _empty = [];
    private readonly List<double> _scales = [];

    private DatasetVectors()
    {
    }

    /// <summary>One for each of <see cref="Prompts"/>.</summary>
    public UnitVectors Rows { get; } = new();

    /// <summary>The prompts that kept features, in the file's order.</summary>
    public IReadOnlyList<PromptRow> Prompts => _prompts;

    /// <summary>Prompts with a graph that kept none.</summary>
    public IReadOnlyList<PromptRow> Empty => _empty;

    /// <summary>What a column of the vectors is; an edge's has no site.</summary>
    public IReadOnlyList<(string? Site, int Feature)> Columns => _columns;

    /// <summary>What a value of a prompt's vector is multiplied by to be the node's effect.</summary>
    public IReadOnlyList<double> Scales => _scales;

    /// <summary>Reads a dataset, part by part.</summary>
    /// <param name="how">With edges they count as much as nodes: each half of a vector is made as long as the other. Threads read as many
    /// parts at once; what comes of them does not depend on it.</param>
    /// <exception cref="RunDirectoryException">A file is missing or damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static DatasetVectors Read(string dataset, (bool WithEdges, int Threads) how, IProgress<string>? progress,
        CancellationToken cancel)
    {
        var (files, vectors, threads) = (DatasetFiles.Find(dataset).Files, new DatasetVectors(), Math.Min(how.Threads, MostThreads));
        var (prompts, nodes, edges) = (files[DatasetNames.Prompts], files[DatasetNames.Nodes], files[DatasetNames.Edges]);
        var databases = new DuckDbDatabase?[threads];
        var batch = new PartVectors[PartsAtOnce * threads];
        try
        {
            for (var first = 0; first < prompts.Count; first += batch.Length)
            {
                progress?.Report($"reading part {first + 1} of {prompts.Count}");
                var count = Math.Min(batch.Length, prompts.Count - first);
                Reading(() => Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads }, thread =>
                {
                    var database = databases[thread] ??= Open();
                    for (var i = thread; i < count; i += threads)
                    {
                        var part = first + i;
                        batch[i] = PartVectors.Read(database, (prompts[part], nodes[part], how.WithEdges ? edges[part] : null), cancel);
                    }
                }));
                foreach (var part in batch.AsSpan(0, count)) vectors.Add(part);
            }
        }
        finally
        {
            foreach (var database in databases) database?.Dispose();
        }
        return vectors;
    }

    /// <summary>A dataset's prompts that have a graph, in the file's order.</summary>
    /// <exception cref="RunDirectoryException">A file is missing or damaged.</exception>
    public static IReadOnlyList<PromptRow> PromptsOf(string dataset, CancellationToken cancel)
    {
        using var database = Open();
        return [.. DatasetFiles.Find(dataset).Files[DatasetNames.Prompts]
            .SelectMany(file => PartVectors.PromptsIn(database, file, cancel))];
    }

    // one thread: rows come in the file's order; no file is read twice
    private static DuckDbDatabase Open() => DuckDbDatabase.OpenInMemory(("threads", "1"), ("enable_external_file_cache", "false"),
        ("temp_directory", ParquetFile.Spill));

    // what one of several threads comes upon
    private static void Reading(Action read)
    {
        try
        {
            read();
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions.FirstOrDefault(i => i is OperationCanceledException) ?? e.InnerExceptions[0]);
        }
    }

    private void Add(PartVectors part)
    {
        int[] sites = [.. part.Sites.Select(site => _sites.Of(site))];
        var (nodeColumns, edgeColumns) = (PlacesOf(part.Nodes.Columns, sites), PlacesOf(part.Edges?.Columns ?? [], sites));
        for (var i = 0; i < part.Prompts.Count; i++)
        {
            var length = part.Nodes.Length(i);
            if (length == 0)
            {
                _empty.Add(part.Prompts[i]);
                continue;
            }
            var far = part.Edges?.Length(i) ?? 0;
            var most = part.Nodes.Places[i].Length + (far > 0 ? part.Edges!.Places[i].Length : 0);
            var (columns, values, count) = (new int[most], new float[most], 0);
            Take(part.Nodes, nodeColumns, length);
            if (far > 0) Take(part.Edges!, edgeColumns, far);
            Rows.Add(count == most ? columns : columns[..count], count == most ? values : values[..count]);
            _prompts.Add(part.Prompts[i]);
            _scales.Add(far > 0 ? length * Math.Sqrt(2) : length);

            void Take(CircuitValues found, int[] places, double by)
            {
                foreach (var (at, value) in found.Places[i].Zip(found.Values[i]))
                {
                    if (value == 0) continue;
                    (columns[count], values[count]) = (places[at], (float)(value / by));
                    count++;
                }
            }
        }
    }

    private int[] PlacesOf(IReadOnlyList<CircuitColumn> columns, int[] sites)
    {
        var places = new int[columns.Count];
        for (var i = 0; i < places.Length; i++)
        {
            var column = columns[i] with { Site = sites[columns[i].Site] };
            if (column.IsEdge) column = column with { DownSite = sites[column.DownSite] };
            if (!_places.TryGetValue(column, out places[i]))
            {
                _places[column] = places[i] = _columns.Count;
                _columns.Add(column.IsEdge ? (null, 0) : (_sites.Texts[column.Site], column.Feature));
            }
        }
        return places;
    }
}
