using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Bundles;

/// <summary>Where a constant lies that an .onnx file keeps in another file.</summary>
/// <param name="Location">Path from the .onnx file's directory.</param>
internal readonly record struct ExternalData(string Location, long Offset, long Length)
{
    /// <param name="onnx">The .onnx file.</param>
    /// <exception cref="BundleException">The file is missing, too short, a Git LFS pointer, or outside the model's directory.</exception>
    public static ExternalData Of(string onnx, TensorProto t)
    {
        string? Entry(string key) => t.ExternalData.FirstOrDefault(e => e.Key == key)?.Value;
        var location = (Entry("location") ?? "").Replace('\\', '/');
        if (location.StartsWith("./", StringComparison.Ordinal)) location = location[2..];
        var parts = location.Split('/');
        if (location.Length == 0 || Path.IsPathRooted(location) || location.Contains('\0') || parts.Contains("..") || parts.Contains("")
            || parts.Contains("."))
        {
            throw new BundleException($"{onnx}: tensor '{t.Name}' lies in '{location}', which is not in the model's directory; "
                + "export the model again with its data beside it");
        }
        var file = new FileInfo(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(onnx))!, location));
        // the hub's cache has links in its folders: what counts is the file behind them
        if (file.Exists && file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target) file = target;
        if (!file.Exists)
        {
            throw new BundleException($"{file.FullName} is missing: it holds the data of tensor '{t.Name}'; "
                + $"put it beside {Path.GetFileName(onnx)}, or export the model again");
        }
        var needed = Constants.BytesPerEntry((DataType)t.DataType) is { } size ? t.Dims.Aggregate(1L, (n, d) => n * d) * size
            : throw new BundleException(
                $"{onnx}: tensor '{t.Name}' has a type ({(DataType)t.DataType}) that is not read from a file; export the model in float32");
        var offset = Number("offset") ?? 0;
        if (Number("length") is { } length && length != needed)
        {
            throw new BundleException(
                $"{onnx}: tensor '{t.Name}' has {length} bytes in {location} where its shape needs {needed}; export the model again");
        }
        if (offset < 0 || offset > file.Length - needed) throw TooShort(file, t);
        return new ExternalData(location, offset, needed);

        long? Number(string key) => Entry(key) is not { } text ? null
            : long.TryParse(text, out var n) ? n
            : throw new BundleException($"{onnx}: tensor '{t.Name}' has the {key} '{text}'; export the model again");
    }

    private static BundleException TooShort(FileInfo file, TensorProto t)
    {
        if (file.Length <= LfsPointer.MostBytes && LfsPointer.Problem(RegularFile.ReadAllBytes(file.FullName)) is { } pointer)
        {
            return new BundleException($"{file.FullName} {pointer}");
        }
        return new BundleException(
            $"{file.FullName} has {file.Length} bytes and ends before tensor '{t.Name}' does; copy or export it again");
    }
}
