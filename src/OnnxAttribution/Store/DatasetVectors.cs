using System.Runtime.ExceptionServices;
using OnnxAttribution.Clusters;

namespace OnnxAttribution.Store;

/// <summary>A dataset's circuits as sparse vectors: each prompt's kept features with their effects, summed over positions and, where asked
/// for, its edges. Error nodes are no features, and are left out.</summary>
/// <remarks>Tried and lost: prompts and sites as numbers by <c>list_position</c>, over a second a part of 85,000 nodes.</remarks>
internal sealed class DatasetVectors
{
    // beyond so many the one that puts vectors together has no time for more
    private const int MostThreads = 8, PartsAtOnce = 4;

    private readonly Dictionary<(string, int), int> _nodes = [];
    private readonly Dictionary<(string, int, string, int), int> _edges = [];
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
        var (withEdges, threads) = how;
        var (files, vectors) = (DatasetFiles.Find(dataset), new DatasetVectors());
        var (prompts, nodes, edges) = (files.Files[DatasetNames.Prompts], files.Files[DatasetNames.Nodes], files.Files[DatasetNames.Edges]);
        var batch = new (List<PromptRow> Prompts, PartVectors<(string, int)> Nodes, PartVectors<(string, int, string, int)>? Edges)[
            PartsAtOnce * Math.Min(threads, MostThreads)];
        var options = new ParallelOptions { MaxDegreeOfParallelism = Math.Min(threads, MostThreads), CancellationToken = cancel };
        for (var first = 0; first < prompts.Count; first += batch.Length)
        {
            progress?.Report($"reading part {first + 1} of {prompts.Count}");
            var count = Math.Min(batch.Length, prompts.Count - first);
            Reading(() => Parallel.For(first, first + count, options, part => batch[part - first] =
                ([.. PromptsIn(prompts[part], cancel)], NodesIn(nodes[part], cancel), withEdges ? EdgesIn(edges[part], cancel) : null)));
            foreach (var part in batch.AsSpan(0, count)) vectors.Add(part.Prompts, part.Nodes, part.Edges);
        }
        return vectors;
    }

    /// <summary>A dataset's prompts that have a graph, in the file's order.</summary>
    /// <exception cref="RunDirectoryException">A file is missing or damaged.</exception>
    public static IReadOnlyList<PromptRow> PromptsOf(string dataset, CancellationToken cancel) =>
        [.. DatasetFiles.Find(dataset).Files[DatasetNames.Prompts].SelectMany(file => PromptsIn(file, cancel))];

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

    private static IEnumerable<PromptRow> PromptsIn(string file, CancellationToken cancel)
    {
        try
        {
            return RowTable.Read<PromptRow>(StoredTable.Load(file, PromptRow.Columns, cancel), file).Where(row => row.Error is null);
        }
        catch (DuckDbException e)
        {
            throw RunDirectoryException.Corrupt(file, e);
        }
    }

    private void Add(List<PromptRow> prompts, PartVectors<(string, int)> nodes, PartVectors<(string, int, string, int)>? edges)
    {
        var (nodeColumns, edgeColumns) = (PlacesOf(_nodes, nodes.Keys, key => key), PlacesOf(_edges, edges?.Keys ?? [], _ => (null, 0)));
        foreach (var prompt in prompts)
        {
            var own = nodes.Rows.GetValueOrDefault(prompt.Run);
            if (own?.Length is not { } length || length == 0)
            {
                _empty.Add(prompt);
                continue;
            }
            var (columns, values, scale) = (new List<int>(own.Count), new List<float>(own.Count), length);
            Take(own, nodeColumns, length);
            if (edges is not null && edges.Rows.TryGetValue(prompt.Run, out var more) && more.Length is var far and > 0)
            {
                Take(more, edgeColumns, far);
                scale *= Math.Sqrt(2);
            }
            Rows.Add([.. columns], [.. values]);
            _prompts.Add(prompt);
            _scales.Add(scale);

            void Take(SparseRow row, int[] place, double by)
            {
                foreach (var (key, value) in row.Values)
                {
                    if (value == 0) continue;
                    columns.Add(place[key]);
                    values.Add((float)(value / by));
                }
            }
        }
    }

    private int[] PlacesOf<TKey>(Dictionary<TKey, int> known, IReadOnlyList<TKey> keys, Func<TKey, (string?, int)> described)
        where TKey : notnull
    {
        var places = new int[keys.Count];
        for (var i = 0; i < places.Length; i++)
        {
            if (!known.TryGetValue(keys[i], out places[i]))
            {
                known[keys[i]] = places[i] = _columns.Count;
                _columns.Add(described(keys[i]));
            }
        }
        return places;
    }

    // a part lies in the order of features, so that rows of one come together and sums are the same each time
    private static PartVectors<(string, int)> NodesIn(string file, CancellationToken cancel) => Read(file,
        $"SELECT run, {NodeTable.Effect}, {NodeTable.Site}, {NodeTable.Feature} FROM {ParquetFile.Sql(file)} "
            + $"WHERE {NodeTable.Kept} AND {NodeTable.Feature} >= 0 AND isfinite({NodeTable.Effect})",
        (rows, text) => (text(2), rows.Value<int>(3)), cancel);

    private static PartVectors<(string, int, string, int)> EdgesIn(string file, CancellationToken cancel) => Read(file,
        "SELECT run, effect, up_site, up_feature, down_site, coalesce(down_feature, -1) FROM "
            + $"{ParquetFile.Sql(file)} WHERE up_feature >= 0 AND (down_feature >= 0 OR down_site = '{RunNames.MetricSite}') "
            + "AND isfinite(effect)",
        (rows, text) => (text(2), rows.Value<int>(3), text(4), rows.Value<int>(5)), cancel);

    private static PartVectors<TKey> Read<TKey>(string file, string sql, Func<DuckDbRows, Func<int, string>, TKey> key,
        CancellationToken cancel) where TKey : notnull
    {
        var (part, known, interned) = (new PartVectors<TKey>([], []), new Dictionary<TKey, int>(), new Dictionary<string, string>());
        try
        {
            // one thread: rows come in the file's order
            using var database = DuckDbDatabase.OpenInMemory(("threads", "1"));
            using var rows = database.Query(sql, cancel);
            while (rows.Read())
            {
                var run = rows.Value<string>(0);
                if (!part.Rows.TryGetValue(run, out var row)) part.Rows[run] = row = new();
                var of = key(rows, Interned);
                if (!known.TryGetValue(of, out var at))
                {
                    known[of] = at = part.Keys.Count;
                    part.Keys.Add(of);
                }
                row.Add(at, rows.Value<float>(1));
            }

            string Interned(int column)
            {
                var text = rows.Value<string>(column);
                return interned.TryGetValue(text, out var same) ? same : interned[text] = text;
            }
        }
        catch (DuckDbException e)
        {
            throw RunDirectoryException.Corrupt(file, e);
        }
        return part;
    }

    /// <summary>A part's vectors, by the prompt's id.</summary>
    /// <param name="Keys">What the columns of <paramref name="Rows"/> are.</param>
    private sealed record PartVectors<TKey>(Dictionary<string, SparseRow> Rows, List<TKey> Keys);

    /// <summary>Sums by column, which come one after the other.</summary>
    private sealed class SparseRow
    {
        private readonly List<(int Key, double Value)> _values = [];

        public int Count => _values.Count;

        public IEnumerable<(int Key, float Value)> Values => _values.Select(v => (v.Key, (float)v.Value));

        public double Length => Math.Sqrt(Values.Sum(v => (double)v.Value * v.Value));

        public void Add(int key, float value)
        {
            if (_values.Count > 0 && _values[^1].Key == key) _values[^1] = (key, _values[^1].Value + value);
            else _values.Add((key, value));
        }
    }
}
