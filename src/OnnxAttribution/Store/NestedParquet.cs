namespace OnnxAttribution.Store;

/// <summary>Parquet files with lists and structs in them, which <see cref="StoredTable"/> has no columns for. A cell
/// travels as text, a nested one as JSON, and is cast in SQL, so that the file holds plain nested columns for
/// whoever reads it. Rows are streamed both ways.</summary>
internal static class NestedParquet
{
    /// <summary>The condition that every row fulfils; such a reading is streamed, not kept.</summary>
    public const string All = "true";

    // some hundred kB of text; DuckDB would take 2,048 rows, 20 MB
    private const int RowsAtOnce = 64;

    // a look-up of some rows decodes each row group that holds one.
    // Groups of 256 rows took as long for 200 features of 13 sites, in a file of 12.4 MB instead of 7.5
    private const int RowGroup = 2048;

    /// <summary>Writes a file, in the order of the rows.</summary>
    /// <param name="rows">A cell per column; null: NULL.</param>
    /// <exception cref="RunDirectoryException">The file cannot be written: the disk is full, say.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static void Write(string file, IReadOnlyList<NestedColumn> columns, IEnumerable<string?[]> rows,
        IEnumerable<(string Name, string Text)> metadata, CancellationToken cancel)
    {
        using var database = Open();
        var name = database.Unique("cells");
        using var next = rows.GetEnumerator();
        using var source = new DuckDbSource(database, name,
            string.Join(", ", columns.Select(c => $"NULL::VARCHAR AS {SqlText.Name(c.Name)}")), vectors =>
            {
                var row = 0;
                for (; row < RowsAtOnce && next.MoveNext(); row++)
                {
                    for (var c = 0; c < columns.Count; c++)
                    {
                        if (next.Current[c] is { } text) vectors.SetText(c, row, text);
                        else vectors.SetNull(c, row);
                    }
                }
                return row;
            });
        Writing(file,
            () => source.Execute(database,
                Copy($"SELECT {string.Join(", ", columns.Select(c => c.FromText))} FROM {name}()", file, metadata), cancel));
    }

    /// <summary>Writes one file of several of the same columns, one after the other.</summary>
    /// <inheritdoc cref="Write" path="/exception"/>
    public static void Concatenate(string file, IReadOnlyList<string> parts, IEnumerable<(string Name, string Text)> metadata,
        CancellationToken cancel)
    {
        using var database = Open();
        Writing(file,
            () =>
                database.Execute(Copy(string.Join(" UNION ALL ", parts.Select(p => $"FROM {ParquetFile.Sql(p)}")), file, metadata),
                    cancel));
    }

    /// <summary>Rows of a file, as texts.</summary>
    /// <param name="file">Absolute path.</param>
    /// <param name="condition">SQL over the file's columns.</param>
    /// <exception cref="RunDirectoryException">The file is missing, damaged or lacks a column.</exception>
    public static IEnumerable<string?[]> Read(string file, IReadOnlyList<NestedColumn> columns, string condition, CancellationToken cancel)
    {
        ParquetFile.Checked(file);
        using var database = Open(Math.Min(4, Environment.ProcessorCount));
        // chosen first: else DuckDB makes JSON of rows that the condition leaves out, which doubles the time. One scan decodes every row,
        // 18 µs each on two cores; a query per site, which DuckDB pushes down to the row groups that hold it, took eight times as long for
        // 78 sites of 80,000 rows, with groups of 256 three times: skipping within nested columns is slow
        var chosen = $"WITH chosen AS MATERIALIZED (SELECT {string.Join(", ", columns.Select(c => SqlText.Name(c.Name)))} FROM "
            + $"{ParquetFile.Sql(file)} WHERE {condition})";
        using var rows = Guarded(file,
            () =>
                database.Query($"{(condition == All ? "" : chosen)} SELECT {string.Join(", ", columns.Select(c => c.AsText))} FROM "
                    + $"{(condition == All ? ParquetFile.Sql(file) : "chosen")}", cancel));
        while (Guarded(file, rows.Read))
        {
            var cells = new string?[columns.Count];
            for (var c = 0; c < cells.Length; c++) cells[c] = rows.Text(c);
            yield return cells;
        }
    }

    /// <summary>The key-value metadata.</summary>
    /// <exception cref="RunDirectoryException">The file is missing or damaged.</exception>
    public static IReadOnlyDictionary<string, string> Facts(string file, CancellationToken cancel)
    {
        ParquetFile.Checked(file);
        using var database = Open();
        return Guarded(file, () =>
        {
            var facts = new Dictionary<string, string>();
            using var rows = database.Query($"SELECT decode(key), decode(value) FROM {ParquetFile.SqlOfMetadata(file)}", cancel);
            while (rows.Read()) facts[rows.Value<string>(0)] = rows.Text(1) ?? "";
            return facts;
        });
    }

    // tokens and rounded activations repeat, in more values than DuckDB's own limit lets into a dictionary
    private static string Copy(string select, string file, IEnumerable<(string Name, string Text)> metadata) =>
        $"COPY ({select}) TO {SqlText.Literal(file)} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 9, ROW_GROUP_SIZE {RowGroup}, "
        + $"DICTIONARY_SIZE_LIMIT 65536, USE_TMP_FILE false{RunTables.Metadata(metadata)})";

    private static DuckDbDatabase Open(int threads = 1) =>
        DuckDbLender.Lend(Path.Combine(Path.GetTempPath(), "onnx-attribution-nested"), ("memory_limit", "800MB"),
            ("threads", threads.ToString(System.Globalization.CultureInfo.InvariantCulture)));

    private static void Writing(string file, Action write)
    {
        try
        {
            write();
        }
        catch (DuckDbException e)
        {
            throw RunDirectoryException.Unwritable(file, e);
        }
    }

    private static T Guarded<T>(string file, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (DuckDbException e)
        {
            throw RunDirectoryException.Corrupt(file, e);
        }
    }
}
