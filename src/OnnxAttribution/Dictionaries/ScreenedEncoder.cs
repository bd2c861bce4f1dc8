using System.Collections.Concurrent;
using System.Numerics;
using System.Numerics.Tensors;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Dictionaries;

/// <summary>
/// Finds the active features of dictionaries that have an <see cref="EncoderScreen"/>, on the host:
/// 1. one product of codes of 8 bits leaves out what cannot be active;
/// 2. what is left, a tenth or less, is computed in float32 as <see cref="DictionaryEncoder"/> computes all, by the runtime's own product
/// of the rows with these columns, and looked through by the same search.
/// So the features and their activations are those of the plain way without packed weights, bit for bit: an entry of
/// the runtime's product depends neither on how many columns there are beside it nor on whether they lie in rows.
/// </summary>
/// <remarks>Owns its sessions; who makes one disposes it. Safe for several threads.</remarks>
/// <param name="context">Its threads.</param>
/// <param name="packed">Have codes laid out by the runtime, a copy of a quarter of W_enc's bytes: for many calls.</param>
internal sealed class ScreenedEncoder(RunContext context, bool packed) : IDisposable
{
    /// <summary>Rows whose columns are gathered together: few columns in all, and read once for all of them.</summary>
    private const int RowsAtOnce = 16;

    /// <summary>What a thread of the runtime's product has at least, or it would sum in another order.</summary>
    private const int LeastColumns = 128;

    private readonly Dictionary<(string? Folder, bool Scales), GraphRunner> _runners = [];
    private readonly ConcurrentBag<Buffers> _buffers = [];
    private readonly Lock _lock = new();
    private int _middle;

    // what a call needs beside its results, kept for the next
    private sealed class Buffers
    {
        public ActiveFinder Finder { get; } = new();
        public SparseRows Found { get; } = new();
        public float[] Columns { get; private set; } = [];

        public int[] Products { get; private set; } = [];

        // of all dictionaries in one place: as many sessions would keep as many
        public Memory<int> ProductsOf(int size) =>
            (Products.Length >= size ? Products : Products = GC.AllocateUninitializedArray<int>(size, pinned: true)).AsMemory(0, size);

        public float[] ColumnsOf(int size) =>
            Columns.Length >= size ? Columns : Columns = GC.AllocateUninitializedArray<float>(size, pinned: true);
    }

    /// <summary>Adds the rows' active features; or nothing, where the plain way is the better one.</summary>
    /// <param name="x">[rows, d], normalised and, where the dictionary does so, less b_dec.</param>
    public bool TryAdd(SparseDictionary dictionary, Memory<float> x, SparseRows to)
    {
        var rows = x.Length / dictionary.Width;
        // the runtime multiplies a single row in another way
        if (dictionary.Screen is not { } screen || rows < 2) return false;
        var coded = new CodedRows(x.Span, dictionary.Width, Middle());
        if (!coded.IsFinite) return false;
        if (!_buffers.TryTake(out var buffers)) buffers = new Buffers();
        var finder = new ScreenedFinder(screen, coded, Products(dictionary, coded, buffers).Span);
        var blocks = (rows + RowsAtOnce - 1) / RowsAtOnce;
        for (var block = 0; block < blocks; block++)
        {
            var (from, until) = ((int)((long)rows * block / blocks), (int)((long)rows * (block + 1) / blocks));
            var columns = Candidates(dictionary, finder, from, until - from, buffers);
            // bounds that leave most of them save nothing
            if (block == 0 && columns.Length > dictionary.FeatureCount / 2) return Kept(buffers, false);
            Add(dictionary, x[(from * dictionary.Width)..(until * dictionary.Width)], columns, buffers, to);
        }
        return Kept(buffers, true);
    }

    private bool Kept(Buffers buffers, bool found)
    {
        _buffers.Add(buffers);
        return found;
    }

    public void Dispose()
    {
        foreach (var runner in _runners.Values) runner.Dispose();
    }

    // ascending
    private static int[] Candidates(SparseDictionary dictionary, ScreenedFinder finder, int first, int rows, Buffers buffers)
    {
        var n = dictionary.FeatureCount;
        var marks = new ulong[(n + 63) / 64];
        finder.Mark(first, rows, dictionary.K is { } k ? Least(finder, (first, rows), (n, k), buffers.Finder) : [], marks);
        var found = new int[marks.Sum(m => BitOperations.PopCount(m))];
        var at = 0;
        for (var i = 0; i < marks.Length; i++)
        {
            for (var bits = marks[i]; bits != 0; bits &= bits - 1) found[at++] = (i * 64) + BitOperations.TrailingZeroCount(bits);
        }
        return found;
    }

    // of TopK, what the k-th is at least
    private static float[] Least(ScreenedFinder finder, (int First, int Rows) range, (int Features, int K) of, ActiveFinder search)
    {
        var least = new float[range.Rows];
        var (values, found) = (new float[of.Features], new SparseRows());
        for (var t = 0; t < range.Rows; t++)
        {
            finder.AtLeast(range.First + t, values);
            found.Clear();
            search.Add(values, new ActiveRule(of.Features, of.K), found);
            var largest = found.Activations(0);
            if (largest.Length == of.K) least[t] = TensorPrimitives.Min(largest);
        }
        return least;
    }

    // exactly, among these
    private void Add(SparseDictionary dictionary, Memory<float> x, int[] columns, Buffers buffers, SparseRows to)
    {
        var (d, rows) = (dictionary.Width, x.Length / dictionary.Width);
        var count = Math.Max(columns.Length, LeastColumns * (context.Threads + 1));
        var gathered = Gathered(dictionary, columns, count, buffers);
        var runner = Runner((null, dictionary.EncoderScale is not null), () => new EncoderGraph
        {
            Scales = dictionary.EncoderScale is not null,
            InRows = true
        }.Build(dictionary));
        using var feed = new Feed().Add("W_enc", gathered, count, d).Add("x", x, rows, d)
            .Add("b_enc", Chosen(dictionary.EncoderBias.Span, columns, count, -1), count);
        if (dictionary.EncoderScale is { } scale) feed.Add("scale", Chosen(scale, columns, count, 1), count);
        using var result = runner.Run(feed.Values, runner.Outputs);
        var found = buffers.Found;
        found.Clear();
        var threshold = dictionary.Threshold is { } all ? Chosen(all, columns, count, float.PositiveInfinity) : null;
        buffers.Finder.Add(result.Floats(EncoderGraph.Values), new ActiveRule(count, dictionary.K, threshold), found);
        for (var t = 0; t < rows; t++)
        {
            var features = found.Features(t);
            var at = to.Open(features.Length, out var activations);
            found.Activations(t).CopyTo(activations);
            for (var i = 0; i < features.Length; i++) at[i] = columns[features[i]];
            to.Close(features.Length);
        }
    }

    // behind the chosen ones, what is never active
    private static float[] Chosen(ReadOnlySpan<float> all, int[] columns, int count, float rest)
    {
        var chosen = new float[count];
        for (var i = 0; i < columns.Length; i++) chosen[i] = all[columns[i]];
        chosen.AsSpan(columns.Length).Fill(rest);
        return chosen;
    }

    private Memory<float> Gathered(SparseDictionary dictionary, int[] columns, int count, Buffers buffers)
    {
        const int aligned = 16;   // floats
        var d = dictionary.Width;
        var to = buffers.ColumnsOf((count * d) + aligned);
        var start = Start(to, aligned);
        var rows = dictionary.Screen!.Rows;
        Parallel.For(0, (columns.Length + 63) / 64, new ParallelOptions { MaxDegreeOfParallelism = context.Threads }, block =>
        {
            for (var i = block * 64; i < Math.Min(columns.Length, (block + 1) * 64); i++)
            {
                rows.Span.Slice(columns[i] * d, d).CopyTo(to.AsSpan(start + (i * d), d));
            }
        });
        to.AsSpan(start + (columns.Length * d), (count - columns.Length) * d).Clear();
        return to.AsMemory(start, count * d);
    }

    // where an array that does not move is aligned to so many floats
    private static unsafe int Start(float[] array, int floats)
    {
        fixed (float* first = array) return (int)(((nuint)floats - ((nuint)first / sizeof(float) % (nuint)floats)) % (nuint)floats);
    }

    // [rows of codes, n], until the buffers are used again
    private Memory<int> Products(SparseDictionary dictionary, CodedRows coded, Buffers buffers)
    {
        var codes = coded.Codes();
        var (rows, n) = (codes.Length / dictionary.Width, dictionary.FeatureCount);
        var runner = Runner((packed ? dictionary.Screen!.Directory : "", false), () =>
        {
            if (packed && !dictionary.HasLargeEncoder) dictionary.Screen!.BringIn();
            return CodeProduct.Graph(packed ? dictionary : null);
        });
        using var feed = new Feed().Add(CodeProduct.Rows, codes, rows, dictionary.Width).Add(CodeProduct.Middle, [(byte)Middle()]);
        if (!packed) feed.Add(CodeProduct.Columns, dictionary.Screen!.Codes, dictionary.Width, n);
        var products = buffers.ProductsOf(rows * n);
        runner.Run(feed.Values, CodeProduct.Values, products, [rows, n]);
        return products;
    }

    // whether the runtime's product adds up two products in 16 bits, which overflow: it does on processors before VNNI
    private int Middle()
    {
        if (_middle != 0) return _middle;
        lock (_lock)
        {
            if (_middle != 0) return _middle;
            const int d = 64, n = 64;
            var runner = Runner(("", false), () => CodeProduct.Graph(null));
            var (codes, columns) = (new byte[2 * d], new sbyte[d * n]);
            Array.Fill(codes, byte.MaxValue);
            Array.Fill(columns, sbyte.MaxValue);
            using var feed = new Feed().Add(CodeProduct.Rows, codes, 2, d).Add(CodeProduct.Middle, [(byte)128])
                .Add(CodeProduct.Columns, columns, d, n);
            using var result = runner.Run(feed.Values, runner.Outputs);
            return _middle = result.Integers32(CodeProduct.Values).IndexOfAnyExcept(d * 127 * 127) < 0 ? 128 : 64;
        }
    }

    private GraphRunner Runner((string? Folder, bool Scales) key, Func<OnnxGraph> graph)
    {
        lock (_lock)
        {
            if (_runners.TryGetValue(key, out var made)) return made;
            return _runners[key] = new GraphRunner(graph(), context, key.Folder is { Length: > 0 } folder ? folder : null);
        }
    }
}
