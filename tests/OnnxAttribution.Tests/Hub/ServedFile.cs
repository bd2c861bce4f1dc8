using System.Security.Cryptography;
using System.Text;

namespace OnnxAttribution.Tests.Hub;

/// <summary>A file of a repository on <see cref="HubServer"/>: what it holds, and how it is served.</summary>
/// <param name="Bytes">What the server says that it holds: sizes and checksums are these bytes'.</param>
/// <param name="Lfs">Large files lie in LFS: their checksum is a SHA-256, and they are redirected to the CDN.</param>
internal sealed record ServedFile(string Repository, string Path, byte[] Bytes, bool Lfs)
{
    /// <summary>What is really sent, where that differs.</summary>
    public byte[]? Sent { get; init; }

    /// <summary>Connections of this file that break off after so many bytes each, in this order; later ones do not.</summary>
    public Queue<int> Drops { get; init; } = [];

    /// <summary>Connections stand still after so many bytes, until the server is disposed.</summary>
    public int? StallAfter { get; init; }

    /// <summary>Bytes come without end, and their number is not announced.</summary>
    public bool NeverEnds { get; init; }

    /// <summary>The whole file is sent, whatever part is asked for.</summary>
    public bool IgnoresRanges { get; init; }

    /// <summary>Neither the list nor the answer's header gives a checksum.</summary>
    public bool HasNoChecksum { get; init; }

    /// <summary>The list gives neither size nor checksum; the answer's headers do.</summary>
    public bool IsListedByName { get; init; }

    /// <summary>No answer tells its size.</summary>
    public bool HasNoSize { get; init; }

    /// <summary>It is on the list and not to be had.</summary>
    public bool IsGone { get; init; }

    public string Sha256 { get; } = Convert.ToHexStringLower(SHA256.HashData(Bytes));

    /// <summary>What git calls a file that holds these bytes, or the pointer to them that LFS puts in its place.</summary>
    public string Oid => Lfs
        ? Blob(Encoding.ASCII.GetBytes($"version https://git-lfs.github.com/spec/v1\noid sha256:{Sha256}\nsize {Bytes.Length}\n"))
        : Blob(Bytes);

    private static string Blob(byte[] bytes) =>
        Convert.ToHexStringLower(SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {bytes.Length}\0"), .. bytes]));
}
