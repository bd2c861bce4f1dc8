using System.Runtime.InteropServices;
using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.Dashboards;

/// <summary>Where a reading of a text is, as a hidden file of the bundle, from which an interrupted run goes on.</summary>
/// <remarks>Written aside and renamed when whole. Numbers as they lie in memory:
/// it is read where it was written, and begins with a key that says of what it is the state.</remarks>
internal sealed class CollectionState(string bundle, string key)
{
    private const string Name = ".features.state", Format = "onnx-attribution features 1";

    private readonly string _path = Path.Combine(bundle, Name);

    /// <summary>Passes over the text that are finished; each has left a part.</summary>
    public int Passes { get; set; }

    /// <summary>Of <see cref="Texts.TokenSequences.Save"/>.</summary>
    public long[] Place { get; set; } = [];

    /// <summary>The finished rows of a pass.</summary>
    public string Part(int pass) => Path.Combine(bundle, $".features.part-{pass}.parquet");

    /// <summary>Saves the place and the contents of arrays.</summary>
    /// <exception cref="RunDirectoryException">The bundle cannot be written.</exception>
    public void Save(IEnumerable<Array> arrays)
    {
        Exception Unwritable(Exception why) => RunDirectoryException.Unwritable(_path, why);
        OutputFile.Write(_path, stream =>
        {
            using var writer = new BinaryWriter(stream);
            writer.Write(Format);
            writer.Write(key);
            writer.Write(Passes);
            foreach (var array in arrays.Prepend(Place))
            {
                var bytes = Bytes(array);
                writer.Write(bytes.Length);
                writer.Write(bytes);
            }
            writer.Write(Format);
        }, Unwritable);
    }

    /// <summary>The pass that a whole state of the same key is in; null where there is none.</summary>
    public int? SavedPasses()
    {
        try
        {
            using var reader = new BinaryReader(RegularFile.OpenRead(_path));
            if (reader.ReadString() != Format || reader.ReadString() != key) return null;
            var passes = reader.ReadInt32();
            reader.BaseStream.Seek(-(Format.Length + 1), SeekOrigin.End);
            return reader.ReadString() == Format ? passes : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            return null;
        }
    }

    /// <summary>Fills the place and the arrays from the state that <see cref="SavedPasses"/> has found.</summary>
    /// <exception cref="DashboardException">It does not hold what it should.</exception>
    public void Load(IEnumerable<Array> arrays)
    {
        try
        {
            using var reader = new BinaryReader(RegularFile.OpenRead(_path, 1 << 20));
            reader.ReadString();
            reader.ReadString();
            Passes = reader.ReadInt32();
            Place = new long[reader.ReadInt32() / sizeof(long)];
            reader.BaseStream.ReadExactly(MemoryMarshal.AsBytes(Place.AsSpan()));
            foreach (var array in arrays)
            {
                var bytes = Bytes(array);
                if (reader.ReadInt32() != bytes.Length) throw new InvalidDataException("an array has another length");
                reader.BaseStream.ReadExactly(bytes);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            throw new DashboardException($"{_path} cannot be read as what this program wrote ({FileFault.Words(e)}); "
                + "remove it, and the text is read from its beginning", e);
        }
    }

    /// <summary>Removes the state and all parts.</summary>
    public void Remove()
    {
        File.Delete(_path);
        foreach (var part in Directory.EnumerateFiles(bundle, ".features.part-*.parquet")) File.Delete(part);
        // of a reading that was killed while it wrote them
        foreach (var place in Enumerable.Range(0, Passes).Select(Part).Prepend(_path)) AsideName.RemoveLeftovers(place);
    }

    private static Span<byte> Bytes(Array array) =>
        MemoryMarshal.CreateSpan(ref MemoryMarshal.GetArrayDataReference(array), Buffer.ByteLength(array));
}
