using System.Globalization;
using System.Security.Cryptography;
using OnnxAttribution.Files;

namespace OnnxAttribution.Hub;

/// <summary>A file of a repository: its path there, and what the hub says of it.</summary>
/// <param name="Path">With slashes, relative, inside the repository.</param>
/// <param name="Size">In bytes; null: not said.</param>
internal sealed record HubFile(string Path, long? Size, HubChecksum? Checksum)
{
    /// <summary>What follows the last slash.</summary>
    public string Name => Path[(Path.LastIndexOf('/') + 1)..];

    /// <summary>What precedes it; empty at the top.</summary>
    public string Folder => Path.LastIndexOf('/') is var at and >= 0 ? Path[..at] : "";
}

/// <summary>What a file's bytes have to add up to: SHA-256 of large files, git's SHA-1 of small ones.</summary>
/// <param name="Value">In lower-case hexadecimal digits, 64 or 40 of them.</param>
internal sealed record HubChecksum(string Value)
{
    private const int Sha256Digits = 64, Sha1Digits = 40;

    public string Kind => Value.Length == Sha256Digits ? "SHA-256" : "git blob SHA-1";

    /// <summary>A checksum, or an entity tag that is one; null: neither.</summary>
    public static HubChecksum? Of(string? text)
    {
        if (text is null) return null;
        var value = (text.StartsWith("W/", StringComparison.Ordinal) ? text[2..] : text).Trim('"').ToLowerInvariant();
        return value.Length is Sha256Digits or Sha1Digits && value.All(char.IsAsciiHexDigitLower) ? new HubChecksum(value) : null;
    }

    /// <summary>The checksum of this kind that a file has.</summary>
    public HubChecksum Measured(string file, CancellationToken cancel)
    {
        using var stream = RegularFile.OpenRead(file, bufferSize: 0);
        using var hash = IncrementalHash.CreateHash(Value.Length == Sha256Digits ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
        if (Value.Length == Sha1Digits)
        {
            hash.AppendData(System.Text.Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"blob {stream.Length}\0")));
        }
        var buffer = new byte[1 << 20];
        while (stream.Read(buffer) is var count and > 0)
        {
            cancel.ThrowIfCancellationRequested();
            hash.AppendData(buffer.AsSpan(0, count));
        }
        return new HubChecksum(Convert.ToHexStringLower(hash.GetHashAndReset()));
    }
}
