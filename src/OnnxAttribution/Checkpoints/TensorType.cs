namespace OnnxAttribution.Checkpoints;

/// <summary>The element types of a safetensors file whose elements are whole bytes; the names are the file's.</summary>
internal enum TensorType { F64, F32, F16, BF16, I64, I32, I16, I8, U64, U32, U16, U8, BOOL, F8_E4M3, F8_E5M2, C64 }

internal static class TensorTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(this TensorType type) => type switch
    {
        TensorType.F64 or TensorType.I64 or TensorType.U64 or TensorType.C64 => 8,
        TensorType.F32 or TensorType.I32 or TensorType.U32 => 4,
        TensorType.F16 or TensorType.BF16 or TensorType.I16 or TensorType.U16 => 2,
        _ => 1,
    };

    /// <summary>True for the types that are read as floats: F64, F32, F16 and BF16.</summary>
    public static bool IsFloat(this TensorType type) => type is TensorType.F64 or TensorType.F32 or TensorType.F16 or TensorType.BF16;

    /// <summary>The type of a name as it stands in a file: exact case, no numbers.</summary>
    public static bool TryParse(string name, out TensorType type) =>
        Enum.TryParse(name, ignoreCase: false, out type) && Enum.IsDefined(type) && type.ToString() == name;
}
