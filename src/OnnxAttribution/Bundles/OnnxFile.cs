using Google.Protobuf;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Files;
using OnnxAttribution.Onnx;
using OnnxAttribution.Onnx.Proto;

namespace OnnxAttribution.Bundles;

/// <summary>An .onnx file on its way into the program, whoever wrote it: every reader goes through here.</summary>
internal static class OnnxFile
{
    /// <exception cref="BundleException">The file cannot be read, is no ONNX file, or is not sound (<see cref="GraphCheck.RequireSound"/>);
    /// the message names it, the place and the fix.</exception>
    public static ModelProto Read(string path)
    {
        var model = Parsed(path);
        try
        {
            if (model.Graph is not null) GraphCheck.RequireSound(model, t => ExternalData.Of(path, t));
            return model;
        }
        catch (GraphException e)
        {
            throw new BundleException($"{path}: {e.Message}", e);
        }
    }

    private static ModelProto Parsed(string path)
    {
        try
        {
            using var stream = RegularFile.OpenRead(path);
            LfsPointer.Refuse(path, stream);
            if (stream.Length > int.MaxValue)
            {
                throw new BundleException(
                    $"{path} has {stream.Length:N0} bytes; an ONNX file has 2 GiB at most: export the model with external data");
            }
            return ModelProto.Parser.ParseFrom(stream);
        }
        catch (InvalidProtocolBufferException)
        {
            throw new BundleException(
                $"{path} is not a readable ONNX file: it is damaged, cut short or of another format; export it again");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BundleException($"{path} cannot be read: {FileFault.Words(e, "check the path")}", e);
        }
    }
}
