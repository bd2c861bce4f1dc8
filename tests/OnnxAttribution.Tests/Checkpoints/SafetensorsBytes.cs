using System.Buffers.Binary;
using System.Text;

namespace OnnxAttribution.Tests.Checkpoints;

/// <summary>Safetensors files made by hand, right or wrong.</summary>
internal static class SafetensorsBytes
{
    /// <summary>Length prefix, header, data.</summary>
    public static byte[] File(string header, byte[] data, long? announced = null)
    {
        var json = Encoding.UTF8.GetBytes(header);
        var prefix = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(prefix, announced ?? json.Length);
        return [.. prefix, .. json, .. data];
    }

    /// <summary>One entry of the header.</summary>
    public static string Entry(string name, string dtype, string shape, long begin, long end) =>
        $$"""{{name}}:{"dtype":"{{dtype}}","shape":{{shape}},"data_offsets":[{{begin}},{{end}}]}"""
            .Insert(0, "\"")
            .Insert(name.Length + 1, "\"");
}
