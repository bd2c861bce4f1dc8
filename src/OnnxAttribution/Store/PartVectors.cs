namespace OnnxAttribution.Store;

/// <summary>What a column of circuits' vectors is: a site's feature, or an edge from one to another or to the metric.</summary>
/// <param name="Site">By number; of an edge the upstream one's.</param>
/// <param name="DownSite">Of an edge, by number; else <see cref="None"/>.</param>
internal readonly record struct CircuitColumn(int Site, int Feature, int DownSite = CircuitColumn.None,
    int DownFeature = CircuitColumn.None)
{
    public const int None = -1;

    public bool IsEdge => DownSite != None;
}

/// <summary>What some prompts' vectors have in the columns of nodes, or of edges.</summary>
/// <param name="Columns">What <see cref="Places"/> are places in.</param>
/// <param name="Places">By prompt, no place twice.</param>
/// <param name="Values">By prompt, as many.</param>
internal sealed record CircuitValues(IReadOnlyList<CircuitColumn> Columns, int[][] Places, float[][] Values)
{
    /// <summary>A prompt's Euclidean length.</summary>
    public double Length(int prompt)
    {
        var squares = 0.0;
        foreach (var value in Values[prompt]) squares += (double)value * value;
        return Math.Sqrt(squares);
    }
}

/// <summary>The circuits of one part of a dataset, prompt by prompt.</summary>
/// <param name="Prompts">Those that have a graph, in the file's order.</param>
/// <param name="Sites">By their numbers.</param>
/// <param name="Nodes">Kept features' effects, summed over positions.</param>
/// <param name="Edges">Effects of edges between features and into the metric; null: not asked for.</param>
/// <remarks>Prompts and sites become numbers here, from the texts as they lie in DuckDB's memory: tried and lost were a row after the other
/// by DuckDB.NET, 150 ms a part of 85,000 nodes, and <c>list_position</c>, over a second.</remarks>
internal sealed record PartVectors(IReadOnlyList<PromptRow> Prompts, IReadOnlyList<string> Sites, CircuitValues Nodes, CircuitValues? Edges)
{
    // a part lies in the order of features, so that rows of one come together and sums are the same each time
    private static readonly string s_nodes = $"SELECT run::VARCHAR, {NodeTable.Effect}::FLOAT, {NodeTable.Site}::VARCHAR, "
        + $"{NodeTable.Feature}::INTEGER FROM {{0}} WHERE {NodeTable.Kept} AND {NodeTable.Feature} >= 0 AND isfinite({NodeTable.Effect})";

    private const string EdgesOf = "SELECT run::VARCHAR, effect::FLOAT, up_site::VARCHAR, up_feature::INTEGER, down_site::VARCHAR, "
        + "coalesce(down_feature, -1)::INTEGER FROM {0} WHERE up_feature >= 0 AND (down_feature >= 0 OR down_site = '"
        + RunNames.MetricSite + "') AND isfinite(effect)";

    /// <summary>Reads a part.</summary>
    /// <param name="database">Of one thread, so that rows come in the file's order.</param>
    /// <param name="files">Of one part; no edges: they are not asked for.</param>
    /// <exception cref="RunDirectoryException">A file is damaged.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static PartVectors Read(DuckDbDatabase database, (string Prompts, string Nodes, string? Edges) files, CancellationToken cancel)
    {
        var (prompts, sites) = (PromptsIn(database, files.Prompts, cancel), new TextNumbers());
        CircuitValues Of(string file, string sql, bool areEdges)
        {
            var reader = new Reader(prompts, sites, areEdges);
            Reading(file, () => DuckDbChunks.Read(database, string.Format(null, sql, ParquetFile.Sql(file)), reader.Take, cancel));
            return reader.Found();
        }
        var nodes = Of(files.Nodes, s_nodes, areEdges: false);
        return new(prompts, sites.Texts, nodes, files.Edges is { } edges ? Of(edges, EdgesOf, areEdges: true) : null);
    }

    /// <summary>A part's prompts that have a graph, in the file's order.</summary>
    /// <inheritdoc cref="Read" path="/exception"/>
    public static IReadOnlyList<PromptRow> PromptsIn(DuckDbDatabase database, string file, CancellationToken cancel)
    {
        IReadOnlyList<PromptRow> rows = [];
        Reading(file, () => rows = RowTable.Read<PromptRow>(StoredTable.Load(database, file, PromptRow.Columns, cancel), file));
        return [.. rows.Where(row => row.Error is null)];
    }

    private static void Reading(string file, Action read)
    {
        try
        {
            read();
        }
        catch (DuckDbException e)
        {
            throw RunDirectoryException.Corrupt(file, e);
        }
    }

    /// <summary>Puts rows of a file into the prompts' vectors.</summary>
    private sealed class Reader
    {
        private readonly bool _areEdges;
        private readonly TextNumbers _runs = new(), _sites;
        private readonly Dictionary<CircuitColumn, int> _known = [];
        private readonly List<CircuitColumn> _columns = [];
        private readonly (List<int> Places, List<double> Sums)[] _found;
        private int _last = -1;

        public Reader(IReadOnlyList<PromptRow> prompts, TextNumbers sites, bool areEdges)
        {
            (_sites, _areEdges, _found) = (sites, areEdges, new (List<int>, List<double>)[prompts.Count]);
            for (var i = 0; i < _found.Length; i++)
            {
                _found[i] = ([], []);
                _runs.Of(prompts[i].Run);
            }
        }

        public void Take(DuckDbVectors vectors, int rows)
        {
            vectors.RequireValues(_areEdges ? 6 : 4, rows);
            var runs = vectors.Column<DuckDbText>(0);
            var effects = vectors.Column<float>(1);
            var sites = vectors.Column<DuckDbText>(2);
            var features = vectors.Column<int>(3);
            var downSites = _areEdges ? vectors.Column<DuckDbText>(4) : [];
            var downFeatures = _areEdges ? vectors.Column<int>(5) : [];
            for (var row = 0; row < rows; row++)
            {
                var column = new CircuitColumn(_sites.Of(DuckDbText.Utf8(in sites[row])), features[row]);
                if (_areEdges)
                {
                    column = column with { DownSite = _sites.Of(DuckDbText.Utf8(in downSites[row])), DownFeature = downFeatures[row] };
                }
                // rows of prompts without a row of their own are passed over
                if (_runs.Of(DuckDbText.Utf8(in runs[row])) is var prompt && prompt < _found.Length) Add(prompt, column, effects[row]);
            }
        }

        public CircuitValues Found() => new(_columns, [.. _found.Select(f => f.Places.ToArray())],
            [.. _found.Select(f => f.Sums.ConvertAll(sum => (float)sum).ToArray())]);

        private void Add(int prompt, CircuitColumn column, float effect)
        {
            if (_last < 0 || _columns[_last] != column)
            {
                if (!_known.TryGetValue(column, out _last))
                {
                    _known[column] = _last = _columns.Count;
                    _columns.Add(column);
                }
            }
            var (places, sums) = _found[prompt];
            if (places.Count > 0 && places[^1] == _last)
            {
                sums[^1] += effect;
            }
            else
            {
                places.Add(_last);
                sums.Add(effect);
            }
        }
    }
}
