using System.Runtime.ExceptionServices;
using OnnxAttribution.Clusters;

namespace OnnxAttribution.Store;

/// <summary>A dataset's circuits as sparse vectors: each prompt's kept features with their effects, summed over positions and, where asked
/// for, its edges. Error nodes are no features, and are left out.</summary>
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
            Reading(() => Parallel.For(first, first + count, options, part =>
            {
                var own = PromptsIn(prompts[part], cancel).ToList();
                batch[part - first] = (own, NodesIn(nodes[part], own, cancel), withEdges ? EdgesIn(edges[part], own, cancel) : null);
            }));
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
        foreach (var (i, prompt) in prompts.Index())
        {
            var own = nodes.Rows[i];
            if (own?.Length is not { } length || length == 0)
            {
                _empty.Add(prompt);
                continue;
            }
            var (columns, values, scale) = (new List<int>(own.Count), new List<float>(own.Count), length);
            Take(own, nodeColumns, length);
            if (edges?.Rows[i] is { } more && more.Length is var far and > 0)
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
    private static PartVectors<(string, int)> NodesIn(string file, List<PromptRow> prompts, CancellationToken cancel) => Read(
        (file, prompts, [NodeTable.Site]), $"{NodeTable.Effect}, {NodeTable.Feature}",
        $"{NodeTable.Kept} AND {NodeTable.Feature} >= 0 AND isfinite({NodeTable.Effect})",
        (rows, site) => (site(0), rows.Value<int>(2)), cancel);

    private static PartVectors<(string, int, string, int)> EdgesIn(string file, List<PromptRow> prompts, CancellationToken cancel) => Read(
        (file, prompts, ["up_site", "down_site"]), "effect, up_feature, coalesce(down_feature, -1)",
        $"up_feature >= 0 AND (down_feature >= 0 OR down_site = '{RunNames.MetricSite}') AND isfinite(effect)",
        (rows, site) => (site(0), rows.Value<int>(2), site(1), rows.Value<int>(3)), cancel);

    // prompts and sites come as numbers: a text for each of millions of rows took longer than all else
    private static PartVectors<TKey> Read<TKey>((string File, List<PromptRow> Prompts, string[] Sites) of, string columns, string where,
        Func<DuckDbRows, Func<int, string>, TKey> key, CancellationToken cancel) where TKey : notnull
    {
        var (part, known) = (new PartVectors<TKey>(new SparseRow?[of.Prompts.Count], []), new Dictionary<TKey, int>());
        try
        {
            // one thread: rows come in the file's order
            using var database = DuckDbDatabase.OpenInMemory(("threads", "1"));
            var (from, sites) = (ParquetFile.Sql(of.File), new List<string>());
            var names = string.Join(" UNION ", of.Sites.Select(column => $"SELECT {column} FROM {from}"));
            using (var found = database.Query($"FROM ({names}) WHERE columns(*) IS NOT NULL ORDER BY ALL", cancel))
            {
                while (found.Read()) sites.Add(found.Value<string>(0));
            }
            var places = string.Concat(of.Sites.Select(column => $", list_position({SqlText.List(sites)}, {column})::INTEGER - 1"));
            var run = $"coalesce(list_position({SqlText.List(of.Prompts.Select(p => p.Run))}, run), 0)::INTEGER - 1";
            using var rows = database.Query($"SELECT {run}, {columns}{places} FROM {from} WHERE {where}", cancel);
            var first = rows.Columns.Length - of.Sites.Length;
            string Site(int i) => sites[rows.Value<int>(first + i)];
            while (rows.Read())
            {
                var (prompt, node) = (rows.Value<int>(0), key(rows, Site));
                if (prompt < 0) continue;   // of one that failed
                if (!known.TryGetValue(node, out var at))
                {
                    known[node] = at = part.Keys.Count;
                    part.Keys.Add(node);
                }
                (part.Rows[prompt] ??= new()).Add(at, rows.Value<float>(1));
            }
        }
        catch (DuckDbException e)
        {
            throw RunDirectoryException.Corrupt(of.File, e);
        }
        return part;
    }

    /// <summary>A part's vectors, in the order of its prompts.</summary>
    /// <param name="Keys">What the columns of <paramref name="Rows"/> are.</param>
    private sealed record PartVectors<TKey>(SparseRow?[] Rows, List<TKey> Keys);

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
