using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Text;
using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

/// <summary>
/// Where the entries of an uncompressed zip archive lie in its file,
/// as torch.save and numpy.savez write them, so that they can be read in place.
/// 1. The end record is looked for in the last 64 KiB; where a number does not fit into it, its zip64 form has it.
/// 2. The central directory names the entries; each local header says where its data begins.
/// </summary>
/// <remarks>APPNOTE.TXT 6.3.10 (PKWARE), sections 4.3 and 4.5.3.</remarks>
internal static class StoredZip
{
    private const uint Local = 0x04034b50, Central = 0x02014b50, End = 0x06054b50, End64 = 0x06064b50, Locator64 = 0x07064b50;
    private const int MostEntries = 1 << 16;

    internal readonly record struct Entry(long Offset, long Length);

    /// <exception cref="CheckpointException">It is no zip archive, broken or truncated, or an entry is compressed or encrypted.</exception>
    public static FrozenDictionary<string, Entry> Read(MappedFile file)
    {
        var (count, at, end) = Directory(file);
        var entries = new Dictionary<string, Entry>();
        for (var i = 0L; i < count; i++)
        {
            var header = file[at, 46];
            if (U32(header) != Central) throw Broken(file);
            int nameLength = U16(header[28..]), extraLength = U16(header[30..]), commentLength = U16(header[32..]);
            var name = Encoding.UTF8.GetString(file[at + 46, nameLength]);
            if ((U16(header[8..]) & 1) != 0)
            {
                throw new CheckpointException(file.Path, $"entry {DisplayText.QuotedName(name)} is encrypted; save it without a password.");
            }
            if (U16(header[10..]) != 0)
            {
                throw new CheckpointException(file.Path,
                    $"entry {DisplayText.QuotedName(name)} is compressed; save it uncompressed, as torch.save and numpy.savez do.");
            }
            var (size, stored, offset) = ((long)U32(header[24..]), (long)U32(header[20..]), (long)U32(header[42..]));
            Widen(file[at + 46 + nameLength, extraLength], ref size, ref stored, ref offset);
            if (size != stored) throw Broken(file);
            if (!entries.TryAdd(name, new Entry(DataOf(file, offset, size), size)))
            {
                throw new CheckpointException(file.Path, $"has two entries named {DisplayText.QuotedName(name)}; download it again.");
            }
            at += 46 + nameLength + extraLength + commentLength;
            if (at > end) throw Broken(file);
        }
        return entries.ToFrozenDictionary();
    }

    private static (long Count, long At, long End) Directory(MappedFile file)
    {
        var tail = (int)Math.Min(file.Length, 22 + ushort.MaxValue);
        var bytes = file[file.Length - tail, tail];
        var i = tail - 22;
        while (i >= 0 && U32(bytes[i..]) != End) i--;
        if (i < 0)
        {
            throw new CheckpointException(file.Path, file.Length >= 4 && U32(file[0, 4]) == Local
                ? "is a zip archive whose end is missing; download it again."
                : "is no zip archive; check that it is the file it should be.");
        }
        var record = bytes[i..];
        long count = U16(record[10..]), size = U32(record[12..]), at = U32(record[16..]);
        var place = file.Length - tail + i;
        if ((count == ushort.MaxValue || size == uint.MaxValue || at == uint.MaxValue) && place >= 20
            && U32(file[place - 20, 20]) == Locator64)
        {
            var wide = file[Checked(file, U64(file[place - 20, 20][8..])), 56];
            if (U32(wide) != End64) throw Broken(file);
            (count, size, at) = (Checked(file, U64(wide[32..])), Checked(file, U64(wide[40..])), Checked(file, U64(wide[48..])));
        }
        if (count > MostEntries)
        {
            throw new CheckpointException(file.Path, $"has {count} entries, more than the {MostEntries} that are read.");
        }
        if (at > place || size > place - at) throw Broken(file);
        return (count, at, at + size);
    }

    // sizes and offsets of 4 GB and more stand in an extra field, in this order, and only those that need it
    private static void Widen(ReadOnlySpan<byte> extra, ref long size, ref long stored, ref long offset)
    {
        while (extra.Length >= 4)
        {
            var length = Math.Min(U16(extra[2..]), extra.Length - 4);
            if (U16(extra) == 1)
            {
                var field = extra.Slice(4, length);
                Take(ref size, ref field);
                Take(ref stored, ref field);
                Take(ref offset, ref field);
                return;
            }
            extra = extra[(4 + length)..];
        }

        static void Take(ref long value, ref ReadOnlySpan<byte> field)
        {
            if (value != uint.MaxValue || field.Length < 8) return;
            value = (long)Math.Min(U64(field), long.MaxValue);
            field = field[8..];
        }
    }

    private static long DataOf(MappedFile file, long local, long size)
    {
        if (local > file.Length - 30) throw file.Truncated();
        var header = file[local, 30];
        if (U32(header) != Local) throw Broken(file);
        var data = local + 30 + U16(header[26..]) + U16(header[28..]);
        if (data > file.Length || size > file.Length - data) throw file.Truncated();
        return data;
    }

    private static long Checked(MappedFile file, ulong value) => value <= (ulong)file.Length ? (long)value : throw Broken(file);

    private static CheckpointException Broken(MappedFile file) => new(file.Path, "is a damaged zip archive; download it again.");

    private static ushort U16(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt16LittleEndian(bytes);
    private static uint U32(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    private static ulong U64(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt64LittleEndian(bytes);
}
