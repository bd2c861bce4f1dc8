using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>A first look at a Parquet file, before DuckDB opens it.</summary>
internal static class ParquetFile
{
    private const int LeastLength = 12;   // PAR1, the footer's length, PAR1

    /// <summary>The absolute path of a Parquet file of a run, after a look at its length and its first and last four bytes.</summary>
    /// <exception cref="RunDirectoryException">It is missing, unreadable, or was cut off.</exception>
    public static string Checked(string run, string name) => Checked(Path.Combine(run, name));

    /// <summary>The same for a file by its path.</summary>
    /// <inheritdoc cref="Checked(string, string)" path="/exception"/>
    public static string Checked(string path)
    {
        var file = Path.GetFullPath(path);
        try
        {
            using var stream = RegularFile.OpenRead(file);
            if (stream.Length < LeastLength) throw RunDirectoryException.Corrupt(file, "it is too short for a Parquet file");
            if (!IsMagic(stream, 0) || !IsMagic(stream, stream.Length - 4))
            {
                throw RunDirectoryException.Corrupt(file, "it does not begin and end as a Parquet file does");
            }
            return file;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw RunDirectoryException.Missing(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unreadable(file, e);
        }
    }

    /// <summary>Whether a file is there and begins and ends as Parquet does.</summary>
    public static bool IsWhole(string path)
    {
        try
        {
            return Checked(path).Length > 0;
        }
        catch (RunDirectoryException)
        {
            return false;
        }
    }

    /// <summary>The file's rows in SQL. A path such as <c>top=5/run</c> would else add a column <c>top</c>.</summary>
    public static string Sql(string file) => $"read_parquet({SqlText.Literal(Pattern(file))}, hive_partitioning = false)";

    /// <summary>The same with a column <c>file_row_number</c>.</summary>
    public static string SqlWithRows(string file) =>
        $"read_parquet({SqlText.Literal(Pattern(file))}, hive_partitioning = false, file_row_number = true)";

    /// <summary>The rows of files of the same columns in SQL.</summary>
    public static string Sql(IEnumerable<string> files) =>
        $"read_parquet({SqlText.List(files.Select(Pattern))}, hive_partitioning = false)";

    /// <summary>The rows of files that may have different columns in SQL, with a column <c>filename</c>.</summary>
    public static string SqlOfEach(IEnumerable<string> files) =>
        $"read_parquet({SqlText.List(files.Select(Pattern))}, hive_partitioning = false, union_by_name = true, filename = true)";

    /// <summary>The file's key-value metadata in SQL: key and value as bytes.</summary>
    public static string SqlOfMetadata(string file) => $"parquet_kv_metadata({SqlText.Literal(Pattern(file))})";

    /// <summary>What DuckDB has to be allowed so that it reads a file: it asks for the pattern, and for the file that it finds.</summary>
    public static IEnumerable<string> Allowed(string file) => new[] { file, Pattern(file) }.Distinct();

    /// <summary>Where DuckDB would put what its memory does not hold while it reads, which never comes to that: without a place of ours it
    /// would look into <c>./.tmp</c>.</summary>
    public static string Spill => Path.Combine(Path.GetTempPath(), "onnx-attribution-read");

    /// <summary>Whether DuckDB can read all of a file, which takes as long as that.</summary>
    public static bool IsReadable(string file)
    {
        try
        {
            using var database = DuckDbLender.Lend(Spill);
            using var rows = database.Query($"FROM {Sql(file)}");
            while (rows.Read())
            {
            }
            return true;
        }
        catch (DuckDbException)
        {
            return false;
        }
    }

    /// <summary>DuckDB takes every path for a pattern, in which a name's <c>?</c>, <c>*</c> and <c>[</c> would
    /// also mean the files beside it; in brackets each means itself. A backslash beside one of them in the same
    /// name has no such spelling: such a file is not found.</summary>
    private static string Pattern(string file) => file.AsSpan().IndexOfAny("?*[") < 0 ? file
        : string.Concat(file.Select(c => c is '?' or '*' or '[' ? $"[{c}]" : c.ToString()));

    private static bool IsMagic(FileStream stream, long at)
    {
        Span<byte> magic = stackalloc byte[4];
        stream.Position = at;
        stream.ReadExactly(magic);
        return magic.SequenceEqual("PAR1"u8);
    }
}
