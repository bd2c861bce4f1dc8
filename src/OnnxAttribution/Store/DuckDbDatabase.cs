using System.Runtime.InteropServices;

namespace OnnxAttribution.Store;

/// <summary>A database in memory that loads and downloads no extension. Who opens it disposes it; open connections keep it alive till then.</summary>
internal sealed class DuckDbDatabase : SafeHandle
{
    private DuckDbDatabase(nint handle) : base(0, ownsHandle: true) => SetHandle(handle);

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <param name="settings">DuckDB settings by name, such as <c>threads</c> or <c>memory_limit</c>; <c>temp_directory</c> should be
    /// among them, as DuckDB otherwise spills into <c>.tmp</c> of the working directory.</param>
    /// <exception cref="DuckDbException">A setting is unknown or its value is not allowed.</exception>
    public static DuckDbDatabase OpenInMemory(params ReadOnlySpan<(string Name, string Value)> settings)
    {
        if (DuckDbNative.CreateConfig(out nint config) != 0)
            throw new DuckDbException("DuckDB could not be set up: out of memory.");
        try
        {
            Set(config, "autoinstall_known_extensions", "false");
            Set(config, "autoload_known_extensions", "false");
            Set(config, "allow_community_extensions", "false");
            foreach (var (name, value) in settings)
                Set(config, name, value);
            if (DuckDbNative.OpenExt(":memory:", out nint database, config, out nint error) == 0)
                return new DuckDbDatabase(database);
            string reason = DuckDbNative.Text(error);
            DuckDbNative.Free(error);
            throw new DuckDbException(reason);
        }
        finally
        {
            DuckDbNative.DestroyConfig(ref config);
        }
    }

    /// <summary>A connection, the caller's to dispose.</summary>
    public DuckDbConnection Connect()
    {
        if (DuckDbNative.Connect(this, out nint connection) != 0)
            throw new DuckDbException("DuckDB refused a connection to its own database in memory.");
        return new DuckDbConnection(connection);
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        DuckDbNative.Close(ref handle);
        return true;
    }

    private static void Set(nint config, string name, string value)
    {
        if (DuckDbNative.SetConfig(config, name, value) != 0)
            throw new DuckDbException($"DuckDB does not accept '{value}' for its setting '{name}'.");
    }
}
