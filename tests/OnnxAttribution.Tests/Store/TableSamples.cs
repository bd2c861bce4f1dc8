using OnnxAttribution.Store;

namespace OnnxAttribution.Tests.Store;

/// <summary>A small table with every type and every odd value.</summary>
internal static class TableSamples
{
    public static readonly StoredColumn[] Columns =
    [
        new("text", StoredType.Varchar), new("integer", StoredType.Integer), new("long", StoredType.BigInt),
        new("float", StoredType.Float), new("double", StoredType.Double), new("claim", StoredType.Boolean),
    ];

    public static StoredTable Odd()
    {
        var table = new StoredTable(Columns);
        table.Add("it's \"odd\"\n\r\t,;", int.MinValue, long.MinValue, float.MaxValue, double.Epsilon, true);
        table.Add("😀\0é", int.MaxValue, long.MaxValue, float.NegativeInfinity, double.PositiveInfinity, false);
        table.Add(StoredValue.Null, StoredValue.Null, StoredValue.Null, StoredValue.Null, StoredValue.Null, StoredValue.Null);
        table.Add((string?)null, (int?)null, (long?)null, float.NaN, double.NaN, (bool?)null);
        table.Add("", 0, 0, -0f, 0.1f, (bool?)true);   // an int into BIGINT, a float into DOUBLE
        return table;
    }

    /// <summary>Rows whose every value follows from their number.</summary>
    public static StoredTable Counting(int rows)
    {
        var table = new StoredTable(Columns);
        for (var row = 0; row < rows; row++)
        {
            table.Add(row % 5 == 0 ? StoredValue.Null : $"row {row}, longer than twelve bytes", row, (long)row << 20, row * 0.5f,
                row / 3.0, row % 2 == 0);
        }
        return table;
    }

    public static void AssertSame(StoredTable expected, StoredTable actual)
    {
        Assert.Equal(expected.Columns, actual.Columns);
        Assert.Equal(expected.Count, actual.Count);
        foreach (var (name, type) in expected.Columns)
        {
            var same = type switch
            {
                StoredType.Varchar => Same<string?>(name),
                StoredType.Integer => Same<int?>(name),
                StoredType.BigInt => Same<long?>(name),
                StoredType.Float => Same<float>(name),
                StoredType.Double => Same<double>(name),
                _ => Same<bool?>(name),
            };
            Assert.True(same, $"column {name} differs");
        }

        bool Same<T>(string name) => expected.Values<T>(name).SequenceEqual(actual.Values<T>(name));
    }
}
