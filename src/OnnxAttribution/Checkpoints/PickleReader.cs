using System.Buffers.Binary;
using System.Text;
using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints;

/// <summary>
/// Reads the pickle of a state_dict and nothing else: a stack machine that makes strings, numbers, lists, tuples,
/// dictionaries and descriptions of tensors. It runs no code and imports nothing; the few globals below are names that it
/// knows, and every other one, and every other opcode, is refused by name.
/// </summary>
/// <remarks>
/// Opcodes as in CPython's Lib/pickletools.py, protocols 2 to 5; what torch.save writes: torch/_utils.py (<c>_rebuild_tensor_v2</c>,
/// <c>_rebuild_parameter</c>), torch/serialization.py (<c>persistent_id</c>). Every opcode takes at least one byte and makes at most one
/// object, so the limit on the length limits the memory.
/// </remarks>
internal ref struct PickleReader
{
    /// <summary>A state_dict of a dictionary takes some hundred bytes a tensor.</summary>
    public const int MostBytes = 1 << 20;

    private const string OrderedDictionary = "collections.OrderedDict", Tensor = "torch._utils._rebuild_tensor_v2",
        Parameter = "torch._utils._rebuild_parameter";

    private static readonly Dictionary<string, TensorType> s_storages = new()
    {
        ["torch.FloatStorage"] = TensorType.F32,
        ["torch.DoubleStorage"] = TensorType.F64,
        ["torch.HalfStorage"] = TensorType.F16,
        ["torch.BFloat16Storage"] = TensorType.BF16,
        ["torch.LongStorage"] = TensorType.I64,
        ["torch.IntStorage"] = TensorType.I32,
        ["torch.ShortStorage"] = TensorType.I16,
        ["torch.CharStorage"] = TensorType.I8,
        ["torch.ByteStorage"] = TensorType.U8,
        ["torch.BoolStorage"] = TensorType.BOOL,
    };

    private static readonly object s_mark = new();

    private readonly string _path;
    private readonly ReadOnlySpan<byte> _bytes;
    private readonly List<object?> _stack = [];
    private readonly Dictionary<long, object?> _memo = [];
    private int _at;

    private PickleReader(string path, ReadOnlySpan<byte> bytes)
    {
        _path = path;
        _bytes = bytes;
    }

    private sealed record Global(string Name);

    /// <returns>null, bool, long, double, string, <see cref="PickleTensor"/>, List, object[] (a tuple) or Dictionary of these.</returns>
    /// <exception cref="CheckpointException">It is damaged, too long, or asks for anything that a state_dict does not need.</exception>
    public static object? Read(string path, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > MostBytes)
        {
            throw new CheckpointException(path, $"its pickle has {bytes.Length} bytes, more than the {MostBytes} that a state_dict needs; "
                + "save the weights alone, as safetensors.");
        }
        var reader = new PickleReader(path, bytes);
        return reader.Run();
    }

    private object? Run()
    {
        while (true)
        {
            var opcode = Next(1)[0];
            switch (opcode)
            {
                case 0x80: if (Next(1)[0] is < 2 or > 5) throw Refused("a protocol other than 2 to 5"); break;
                case 0x95: Next(8); break;                                                       // FRAME: how much follows
                case (byte)'.': return Pop() is var result && _stack.Count == 0 ? result : throw Damaged();
                case (byte)'a': Append([Pop()]); break;
                case (byte)'e': Append(PopToMark()); break;
                case (byte)'s': Set(Last(2)); break;
                case (byte)'u': Set(PopToMark()); break;
                case (byte)'q': _memo[Next(1)[0]] = Top(); break;
                case (byte)'r': _memo[BinaryPrimitives.ReadUInt32LittleEndian(Next(4))] = Top(); break;
                case 0x94: _memo[_memo.Count] = Top(); break;
                default: _stack.Add(Made(opcode)); break;
            }
        }
    }

    // what an opcode pushes
    private object? Made(byte opcode) => opcode switch
    {
        (byte)'(' => s_mark,
        (byte)'N' => null,
        0x88 => true,
        0x89 => false,
        (byte)'J' => (long)BinaryPrimitives.ReadInt32LittleEndian(Next(4)),
        (byte)'K' => (long)Next(1)[0],
        (byte)'M' => (long)BinaryPrimitives.ReadUInt16LittleEndian(Next(2)),
        0x8a => Long(Next(Next(1)[0])),
        (byte)'G' => BinaryPrimitives.ReadDoubleBigEndian(Next(8)),
        (byte)'X' => Text(BinaryPrimitives.ReadUInt32LittleEndian(Next(4))),
        0x8c => Text(Next(1)[0]),
        0x8d => Text(BinaryPrimitives.ReadUInt64LittleEndian(Next(8))),
        (byte)'}' => new Dictionary<object, object?>(),
        (byte)']' => new List<object?>(),
        (byte)')' => Array.Empty<object?>(),
        (byte)'t' => PopToMark(),
        0x85 => Last(1),
        0x86 => Last(2),
        0x87 => Last(3),
        (byte)'h' => Remembered(Next(1)[0]),
        (byte)'j' => Remembered(BinaryPrimitives.ReadUInt32LittleEndian(Next(4))),
        (byte)'c' => Known($"{Line()}.{Line()}"),
        0x93 => Last(2) is [string module, string name] ? Known($"{module}.{name}") : throw Damaged(),
        (byte)'Q' => Storage(Pop()),
        (byte)'R' => Reduce(Last(2)),
        // BUILD: of an OrderedDict, its _metadata, which says nothing of the weights
        (byte)'b' => Last(2) is [Dictionary<object, object?> built, Dictionary<object, object?>]
            ? built : throw Refused("an object's state to be set"),
        _ => throw Refused($"opcode 0x{opcode:x2}"),
    };

    private static object Known(string path, string name) =>
        name is OrderedDictionary or Tensor or Parameter || s_storages.ContainsKey(name) ? new Global(name)
            : throw new CheckpointException(path, $"its pickle asks for {DisplayText.QuotedName(name)}, which a state_dict does not need, "
                + "so it is not read (nothing was run); save the weights as safetensors.");

    private readonly object Known(string name) => Known(_path, name);

    private readonly object Storage(object? id) =>
        id is object?[] and [string and "storage", Global(var storage), string key, string, long count]
            && s_storages.TryGetValue(storage, out var type) && count >= 0 ? new PickleStorage(type, key, count) : throw Damaged();

    private readonly object Reduce(object?[] call) => call switch
    {
        [Global(OrderedDictionary), object?[] and []] => new Dictionary<object, object?>(),
        [Global(Tensor), object?[] and [PickleStorage storage, long offset, object?[] size, object?[] stride, bool, .. var rest]]
            when rest.Length is 1 or 2 =>
            new PickleTensor(storage, offset, Longs(size), Longs(stride)),
        [Global(Parameter), object?[] and [PickleTensor tensor, bool, ..]] => tensor,
        _ => throw Damaged(),
    };

    private readonly long[] Longs(object?[] values)
    {
        foreach (var v in values)
        {
            if (v is not long) throw Damaged();
        }
        return Array.ConvertAll(values, v => (long)v!);
    }

    private readonly void Append(object?[] values) => ((Top() as List<object?>) ?? throw Damaged()).AddRange(values);

    private readonly void Set(object?[] pairs)
    {
        if (Top() is not Dictionary<object, object?> to || pairs.Length % 2 != 0) throw Damaged();
        for (var i = 0; i < pairs.Length; i += 2)
        {
            if (pairs[i] is not (string or long)) throw Damaged();
            to[pairs[i]!] = pairs[i + 1];
        }
    }

    private ReadOnlySpan<byte> Next(int count)
    {
        if (count > _bytes.Length - _at) throw Damaged();
        var taken = _bytes.Slice(_at, count);
        _at += count;
        return taken;
    }

    private string Text(ulong length) => length <= MostBytes ? Encoding.UTF8.GetString(Next((int)length)) : throw Damaged();

    private string Line()
    {
        var length = _bytes[_at..].IndexOf((byte)'\n');
        if (length < 0) throw Damaged();
        var line = Encoding.UTF8.GetString(_bytes.Slice(_at, length));
        _at += length + 1;
        return line;
    }

    private readonly long Long(ReadOnlySpan<byte> littleEndian)
    {
        if (littleEndian.Length > 8) throw Damaged();
        long value = littleEndian.Length > 0 && (littleEndian[^1] & 0x80) != 0 ? -1 : 0;
        for (var i = littleEndian.Length - 1; i >= 0; i--) value = (value << 8) | littleEndian[i];
        return value;
    }

    private readonly object? Top() => _stack is [.., var top] && top != s_mark ? top : throw Damaged();

    private readonly object? Pop()
    {
        var top = Top();
        _stack.RemoveAt(_stack.Count - 1);
        return top;
    }

    private readonly object?[] Last(int count)
    {
        if (_stack.Count < count) throw Damaged();
        var last = _stack.GetRange(_stack.Count - count, count).ToArray();
        if (last.Contains(s_mark)) throw Damaged();
        _stack.RemoveRange(_stack.Count - count, count);
        return last;
    }

    private readonly object?[] PopToMark()
    {
        var mark = _stack.LastIndexOf(s_mark);
        if (mark < 0) throw Damaged();
        var above = _stack.GetRange(mark + 1, _stack.Count - mark - 1).ToArray();
        _stack.RemoveRange(mark, _stack.Count - mark);
        return above;
    }

    private readonly object? Remembered(long index) => _memo.TryGetValue(index, out var value) ? value : throw Damaged();

    private readonly CheckpointException Damaged() => new(_path, $"its pickle is damaged at byte {_at}; download it again.");

    private readonly CheckpointException Refused(string what) =>
        new(_path, $"its pickle asks for {what}, which a state_dict does not need, so it is not read (nothing was run); "
            + "save the weights as safetensors.");
}
