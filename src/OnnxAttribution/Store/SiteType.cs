namespace OnnxAttribution.Store;

/// <summary>The SQL type <c>site</c>: an ENUM of site names, stored in one byte up to 255 of them and printed as text.</summary>
internal static class SiteType
{
    public const string Name = "site";

    /// <summary>Creates the type in a database, in the place of an older one. Names go in as data and not as SQL, so any text will do.
    /// </summary>
    /// <param name="database">Gets the type, and no table.</param>
    /// <param name="sites">Distinct names; their codes are their places here.</param>
    public static void Create(DuckDbDatabase database, string[] sites)
    {
        var next = 0;
        var name = database.Unique("site_names");
        using var source = new DuckDbSource(database, name, "NULL::INTEGER AS code, NULL::VARCHAR AS site", vectors =>
        {
            var rows = Math.Min(DuckDbVectors.Capacity, sites.Length - next);
            var codes = vectors.Column<int>(0);
            for (var row = 0; row < rows; row++, next++)
            {
                codes[row] = next;
                vectors.SetText(1, row, sites[next]);
            }
            return rows;
        });
        source.Execute(database,
            $"DROP TYPE IF EXISTS {Name}; CREATE TYPE {Name} AS ENUM (SELECT site FROM {name}() ORDER BY code)", default);
    }
}
