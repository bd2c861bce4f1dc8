using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace OnnxAttribution.Store;

/// <summary>What a query sees: the views <c>nodes</c> and <c>edges</c> over the Parquet files of all runs,
/// a view for each further table that any of them has, and the table <c>runs</c>.</summary>
internal static class RunViews
{
    private const string RunColumn = "run";

    /// <summary>Makes the views. Parquet stays on disk: a query reads the columns and row groups it needs, and nothing is copied.</summary>
    /// <exception cref="RunDirectoryException">A file of a run is damaged.</exception>
    public static void Create(DuckDbDatabase database, IReadOnlyList<RunFiles> runs, CancellationToken cancel)
    {
        CreateView(database, "nodes", runs, static run => run.Nodes, cancel);
        CreateView(database, "edges", runs, static run => run.Edges, cancel);
        foreach (var table in FurtherTables.Names)
        {
            if (runs.Where(run => run.Further.ContainsKey(table)).ToList() is { Count: > 0 } some)
            {
                CreateView(database, table, some, run => run.Further[table], cancel);
            }
        }

        // what was asked of the former name is answered as before
        foreach (var (former, table) in FurtherTables.Renamed)
        {
            if (runs.Any(run => run.Further.ContainsKey(table))) database.Execute($"CREATE VIEW {former} AS FROM {table}", cancel);
        }

        CreateRuns(database, runs);
    }

    private static void CreateView(
        DuckDbDatabase database, string view, IReadOnlyList<RunFiles> runs, Func<RunFiles, string> file, CancellationToken cancel)
    {
        var selects = runs.Select(run => $"SELECT {SqlText.Literal(run.Name)} AS {RunColumn}, * FROM {ParquetFile.Sql(file(run))}");
        try
        {
            database.Execute($"CREATE VIEW {view} AS {string.Join("\nUNION ALL BY NAME\n", selects)}", cancel);
        }
        catch (DuckDbException e)
        {
            var culprit = runs.Select(file).FirstOrDefault(f => e.Message.Contains(f, StringComparison.Ordinal)) ?? file(runs[0]);
            throw RunDirectoryException.Corrupt(culprit, e);
        }
    }

    /// <summary>One row per run; a column per scalar that any run.json has: BIGINT or DOUBLE where all are numbers, BOOLEAN where all are
    /// booleans, else VARCHAR.</summary>
    private static void CreateRuns(DuckDbDatabase database, IReadOnlyList<RunFiles> runs)
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
        source.Execute(database, $"CREATE TABLE runs AS SELECT {RunColumn}{string.Concat(casts)} FROM facts()", default);
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
