using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace OnnxAttribution.Store;

/// <summary>What a query sees: the views <c>nodes</c> and <c>edges</c> over the Parquet files of all runs,
/// a view for each further table that any of them has, and the table <c>runs</c>; of datasets also <c>prompts</c>.</summary>
internal static class RunViews
{
    private const string RunColumn = "run";

    // beside those of datasets
    private const string OwnRuns = "runs_of_directories";

    /// <summary>Makes the views. Parquet stays on disk: a query reads the columns and row groups it needs, and nothing is copied.</summary>
    /// <exception cref="RunDirectoryException">A file of a run is damaged.</exception>
    public static void Create(DuckDbDatabase database, QueriedRuns asked, CancellationToken cancel)
    {
        var runs = asked.Runs;
        CreateView(database, DatasetNames.Nodes, asked, static run => run.Nodes, cancel);
        CreateView(database, DatasetNames.Edges, asked, static run => run.Edges, cancel);
        if (asked.Datasets.Count > 0) CreateView(database, DatasetNames.Prompts, asked with { Runs = [] }, static run => "", cancel);
        CreateMeans(database, asked.Datasets, cancel);
        foreach (var table in FurtherTables.Names)
        {
            var (some, sets) = (runs.Where(run => run.Further.ContainsKey(table)).ToList(),
                asked.Datasets.Where(set => set.Files.ContainsKey(table)).ToList());
            if (some.Count + sets.Count > 0) CreateView(database, table, new(some, sets), run => run.Further[table], cancel);
        }

        // what was asked of the former name is answered as before
        foreach (var (former, table) in FurtherTables.Renamed)
        {
            if (asked.Has(table)) database.Execute($"CREATE VIEW {former} AS FROM {table}", cancel);
        }

        if (runs.Count > 0) CreateRuns(database, asked.Datasets.Count == 0 ? "runs" : OwnRuns, runs);
        if (asked.Datasets.Count == 0) return;
        var own = runs.Count == 0 ? "" : $"FROM {OwnRuns} UNION ALL BY NAME ";
        database.Execute($"CREATE VIEW runs AS {own}FROM {DatasetNames.Prompts}", cancel);
    }

    // apart from the prompts' rows; where one is damaged there is no view, since that would leave it out in silence
    private static void CreateMeans(DuckDbDatabase database, IReadOnlyList<DatasetFiles> datasets, CancellationToken cancel)
    {
        if (datasets.Any(set => set.FaultOfMean is not null)) return;
        foreach (var view in (string[])[DatasetNames.MeanNodes, DatasetNames.MeanEdges])
        {
            var some = datasets.Where(set => set.Mean.ContainsKey(view)).ToList();
            if (some.Count == 0) continue;
            var selects = some.Select(set => $"SELECT {SqlText.Literal(set.Name)} AS dataset, * FROM {ParquetFile.Sql(set.Mean[view])}");
            Create(database, view, selects, some.Select(set => set.Mean[view]), cancel);
        }
    }

    private static void CreateView(
        DuckDbDatabase database, string view, QueriedRuns asked, Func<RunFiles, string> file, CancellationToken cancel)
    {
        var selects = asked.Runs.Select(run => $"SELECT {SqlText.Literal(run.Name)} AS {RunColumn}, * FROM {ParquetFile.Sql(file(run))}")
            .Concat(asked.Datasets.Select(set => set.Rows(view)));
        Create(database, view, selects, asked.Runs.Select(file).Concat(asked.Datasets.SelectMany(set => set.Files[view])), cancel);
    }

    private static void Create(DuckDbDatabase database, string view, IEnumerable<string> selects, IEnumerable<string> files,
        CancellationToken cancel)
    {
        try
        {
            database.Execute($"CREATE VIEW {view} AS {string.Join("\nUNION ALL BY NAME\n", selects)}", cancel);
        }
        catch (DuckDbException e)
        {
            var all = files.ToList();
            throw RunDirectoryException.Corrupt(all.Find(f => e.Message.Contains(f, StringComparison.Ordinal)) ?? all[0], e);
        }
    }

    /// <summary>One row per run; a column per scalar that any run.json has: BIGINT or DOUBLE where all are numbers, BOOLEAN where all are
    /// booleans, else VARCHAR.</summary>
    private static void CreateRuns(DuckDbDatabase database, string table, IReadOnlyList<RunFiles> runs)
    {
        var scalars = runs.Select(run => run.Json.Scalars.ToDictionary()).ToList();
        var names = scalars.SelectMany(run => run.Keys)
            .Where(name => name.Length > 0 && !name.Equals(RunColumn, StringComparison.OrdinalIgnoreCase))
            .Distinct(StringComparer.OrdinalIgnoreCase).ToArray();
        var next = 0;
        var shape = $"NULL::VARCHAR AS {RunColumn}" + string.Concat(names.Select((_, c) => $", NULL::VARCHAR AS f{c}"));
        using var source = new DuckDbSource(database, "facts", shape, vectors =>
        {
            var rows = Math.Min(DuckDbVectors.Capacity, runs.Count - next);
            for (var row = 0; row < rows; row++, next++)
            {
                vectors.SetText(0, row, runs[next].Name);
                for (var c = 0; c < names.Length; c++)
                {
                    if (RunJson.Text(scalars[next].GetValueOrDefault(names[c])) is { } text) vectors.SetText(c + 1, row, text);
                    else vectors.SetNull(c + 1, row);
                }
            }
            return rows;
        });
        var casts = names.Select((name, c) =>
            $", f{c}::{SqlType(scalars.Select(run => run.GetValueOrDefault(name)).OfType<JsonNode>())} AS {SqlText.Name(name)}");
        source.Execute(database, $"CREATE TABLE {table} AS SELECT {RunColumn}{string.Concat(casts)} FROM facts()", default);
    }

    private static string SqlType(IEnumerable<JsonNode> scalars)
    {
        var values = scalars.ToList();
        var kinds = values.Select(value => value.GetValueKind()).Distinct().ToList();
        if (kinds.All(kind => kind is JsonValueKind.True or JsonValueKind.False)) return "BOOLEAN";
        if (kinds is not [JsonValueKind.Number]) return "VARCHAR";
        return values.All(value => long.TryParse(RunJson.Text(value), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
            ? "BIGINT"
            : "DOUBLE";
    }
}
