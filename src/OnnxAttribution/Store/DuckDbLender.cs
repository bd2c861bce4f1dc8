using System.Collections.Concurrent;

namespace OnnxAttribution.Store;

/// <summary>Lends databases in memory and keeps them open in between: DuckDB registers thousands of functions when it opens one, which
/// takes 12 ms of a core, and a run is written and read in some ten of them.</summary>
/// <remarks>Whom one is lent to gets a catalog of its own, which goes with its tables, views and types; functions stay, so their names
/// have to be <see cref="DuckDbDatabase.Unique"/>. One that has spilled, or does not answer any more, is closed.</remarks>
internal static class DuckDbLender
{
    private const string Begin = "ATTACH ':memory:' AS lent; USE lent", End = "USE memory; DETACH lent";

    // a name is a function of which nothing but the entry is left
    private const int MostNames = 1000;

    private static readonly ConcurrentDictionary<string, ConcurrentBag<DuckDbDatabase>> s_idle = new(StringComparer.Ordinal);

    /// <summary>A database like those of <see cref="DuckDbDatabase.OpenInMemory"/>; disposing it gives it back.</summary>
    /// <param name="spill">A directory that is made, and removed in the end, if memory does not do.</param>
    /// <param name="settings">Other DuckDB settings by name.</param>
    /// <inheritdoc cref="DuckDbDatabase.OpenInMemory" path="/exception"/>
    public static DuckDbDatabase Lend(string spill, params ReadOnlySpan<(string Name, string Value)> settings)
    {
        var idle = s_idle.GetOrAdd(string.Join(';', settings.ToArray()), _ => []);
        while (idle.TryTake(out var database))
        {
            if (Try(database, $"SET temp_directory = {SqlText.Literal(spill)}; {Begin}")) return Lent(database);
            database.Dispose();
        }
        // a file that is written again is read again
        var opened = DuckDbDatabase.OpenInMemory([("temp_directory", spill), ("enable_external_file_cache", "false"), .. settings]);
        opened.Execute(Begin);
        return Lent(opened);

        DuckDbDatabase Lent(DuckDbDatabase database) => database.Lent(back => TakeBack(back, spill, idle));
    }

    private static void TakeBack(DuckDbDatabase database, string spill, ConcurrentBag<DuckDbDatabase> idle)
    {
        var isClean = !Directory.Exists(spill) && database.Names < MostNames && idle.Count < Environment.ProcessorCount;
        if (isClean && Try(database, End)) idle.Add(database);
        else database.Dispose();
    }

    private static bool Try(DuckDbDatabase database, string sql)
    {
        try
        {
            database.Execute(sql);
            return true;
        }
        catch (DuckDbException)
        {
            return false;
        }
    }
}
