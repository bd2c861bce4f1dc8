using Google.Protobuf;
using OnnxAttribution.Bundles;
using OnnxAttribution.Files;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Export;

/// <summary>A foreign graph's constants on their way into a bundle: external ones stay in their files, which the bundle links;
/// large ones that the graph file holds itself go to one file beside it, for every derived graph would carry them otherwise.</summary>
/// <param name="source">The foreign .onnx file.</param>
internal sealed class ForeignWeights(string source)
{
    public const string FileName = "weights.bin";

    private const int LargestInline = 1024, Alignment = 64;

    // where a tensor of 16 bits lies until it has its place, by its number: no file has such a name
    private const string Half = "\0half";

    private static readonly string[] s_taken = [BundleManifest.GraphFileName, BundleManifest.FileName, FileName];

    private readonly string _folder = Path.GetDirectoryName(Path.GetFullPath(source))!;
    private readonly SortedSet<string> _linked = new(StringComparer.Ordinal);
    private readonly List<(long Offset, Action<Stream> Write)> _moved = [];
    private readonly List<HalfTensor> _halves = [];

    // a constant inside a function is one, however often the function is called
    private readonly Dictionary<object, long> _places = new(ReferenceEqualityComparer.Instance);
    private long _end;

    /// <summary>Files of external data, by their paths from the graph's.</summary>
    public IReadOnlyCollection<string> Linked => _linked;

    public bool MovesAny => _moved.Count > 0;

    /// <summary>The constant as the bundle's graph refers to it.</summary>
    /// <exception cref="BundleException">Its file is missing, too short or outside the model's directory.</exception>
    public TensorProto Place(TensorProto t)
    {
        if (Constants.IsExternal(t)) return HalfOf(t) is { } half ? Moved(t, half, 4 * half.Entries, half.WriteTo) : Linking(t);
        if (Constants.BytesPerEntry((DataType)t.DataType) is not { } size || ConstantBytes.Entries(t) * size <= LargestInline)
        {
            return t;
        }
        var bytes = t.RawData.Length > 0 ? t.RawData : ConstantBytes.Listed(t);
        return Moved(t, bytes, bytes.Length, bytes.WriteTo);
    }

    /// <summary>A float32 tensor in place of one of 16 bits; where it is large, its numbers are converted as they are written.</summary>
    /// <param name="isOfFormula">As <see cref="HalfTensor.Whole"/> has it.</param>
    public TensorProto Widened(TensorProto t, bool isOfFormula)
    {
        var half = new HalfTensor(source, t);
        if (4 * half.Entries <= LargestInline) return half.Whole(isOfFormula);
        _halves.Add(half);
        return Constants.External(DataType.Float, [.. t.Dims], Half, _halves.Count - 1, 4 * half.Entries);
    }

    /// <summary>Takes small constants out of files of external data into the graph: shapes and axes have to be known.</summary>
    public void TakeIn(ModelProto model)
    {
        foreach (var t in NodeNames.ConstantsOf(model).Where(Constants.IsExternal))
        {
            if (Constants.BytesPerEntry((DataType)t.DataType) is not { } size || ConstantBytes.Entries(t) * size > LargestInline) continue;
            using (var stream = ConstantBytes.Open(source, t))
            {
                var bytes = new byte[ConstantBytes.Entries(t) * size];
                stream.ReadExactly(bytes);
                t.RawData = ByteString.CopyFrom(bytes);
            }
            t.ExternalData.Clear();
            t.DataLocation = TensorProto.Types.DataLocation.Default;
        }
    }

    /// <summary>Links and writes what <see cref="Place"/> was asked for.</summary>
    public void Bring(string bundle)
    {
        foreach (var location in _linked)
        {
            var to = Path.Combine(bundle, location);
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            FileLink.Make(Path.Combine(_folder, location), to);
        }
        if (!MovesAny) return;
        OutputFile.Write(Path.Combine(bundle, FileName), stream =>
        {
            foreach (var (offset, write) in _moved)
            {
                stream.Write(new byte[offset - stream.Position]);
                write(stream);
            }
        });
    }

    // of one tensor once, whatever reads it
    private TensorProto Moved(TensorProto t, object content, long bytes, Action<Stream> write)
    {
        if (!_places.TryGetValue(content, out var offset))
        {
            _places[content] = offset = (_end + Alignment - 1) / Alignment * Alignment;
            _end = offset + bytes;
            _moved.Add((offset, write));
        }
        return Constants.External((DataType)t.DataType, [.. t.Dims], FileName, offset, bytes);
    }

    private HalfTensor? HalfOf(TensorProto t) => t.ExternalData.All(e => e.Value != Half) ? null
        : _halves[int.Parse(t.ExternalData.First(e => e.Key == "offset").Value)];

    private TensorProto Linking(TensorProto t)
    {
        var data = ExternalData.Of(source, t);
        if (s_taken.Contains(data.Location))
        {
            throw new BundleException($"{source}: its data lie in '{data.Location}', a name that the bundle needs itself; "
                + "export the model again with another name for its external data");
        }
        _linked.Add(data.Location);
        return Constants.External((DataType)t.DataType, [.. t.Dims], data.Location, data.Offset, data.Length);
    }
}
