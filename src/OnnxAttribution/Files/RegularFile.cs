using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace OnnxAttribution.Files;

/// <summary>Opens files for reading or going on, and nothing else than files:
/// opening a named pipe would wait for a writer that may never come, with no signal to end it, and a device has no end.</summary>
/// <remarks>Every reader opens through here. What is no file is refused before it is opened, in a <see cref="NotAFileException"/>.
/// On Linux a path is looked at with statx(2), whose structure is the same on every processor;
/// elsewhere only directories are told.</remarks>
internal static partial class RegularFile
{
    private const int CurrentDirectory = -100, TypeMask = 0xF000, StatusSize = 256, ModeAt = 28, AccessDenied = 13;
    private const uint WantsType = 1;

    private enum Kind
    {
        Hidden = -1,
        Pipe = 0x1000, Terminal = 0x2000, Directory = 0x4000, Block = 0x6000, File = 0x8000, Socket = 0xC000,
    }

    /// <summary>What a path names that is no file, or that the directories above it hide,
    /// and what to do; null: a file, or nothing.</summary>
    public static string? Problem(string path) => Of(path) switch
    {
        Kind.Pipe => "it is a pipe, not a file; give a file with what comes out of it",
        Kind.Directory => "it is a directory, not a file; name the file",
        Kind.Terminal or Kind.Block => "it is a device, not a file; name a file",
        Kind.Hidden => FileFault.Denied,
        Kind.Socket => "it is a socket, not a file; name a file",
        _ => null,
    };

    /// <summary>What lies where a file is to be written, whose place no file may take, and what to do; null: a file, or nothing.</summary>
    public static string? ProblemOfPlace(string path) =>
        Of(path) is Kind.Pipe ? "it is a pipe, not a file; name a file" : Problem(path);

    /// <summary>Opens a file as <see cref="File.OpenRead"/> does.</summary>
    /// <exception cref="IOException">It is no file (<see cref="NotAFileException"/>), or the system refuses.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static FileStream OpenRead(string path, int bufferSize = 4096, FileShare share = FileShare.Read,
        FileOptions options = FileOptions.None)
    {
        Require(path);
        return new FileStream(path, FileMode.Open, FileAccess.Read, share, bufferSize, options);
    }

    /// <summary>Opens a file, or a pipe that this process was given open:
    /// what <c>&lt;(command)</c> becomes, or /dev/stdin behind <c>|</c>.</summary>
    /// <inheritdoc cref="OpenRead" path="/exception"/>
    public static FileStream OpenReadOrGiven(string path) =>
        Of(path) == Kind.Pipe && IsDescriptor(path) ? File.OpenRead(path) : OpenRead(path);

    /// <summary>Opens a file for writing where an earlier writer stopped, or makes it; what lies behind is cut off.</summary>
    /// <param name="length">Bytes that stay.</param>
    /// <inheritdoc cref="OpenRead" path="/exception"/>
    public static FileStream OpenToGoOn(string path, long length)
    {
        Require(path);
        var stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read, bufferSize: 0);
        stream.SetLength(length);
        stream.Position = length;
        return stream;
    }

    /// <summary>Opens a file for reads at any place.</summary>
    /// <inheritdoc cref="OpenRead" path="/exception"/>
    public static SafeFileHandle OpenHandle(string path)
    {
        Require(path);
        return File.OpenHandle(path, options: FileOptions.RandomAccess);
    }

    /// <inheritdoc cref="OpenRead" path="/exception"/>
    public static byte[] ReadAllBytes(string path)
    {
        Require(path);
        return File.ReadAllBytes(path);
    }

    /// <summary>A text in UTF-8, or in what its byte order mark says.</summary>
    /// <inheritdoc cref="OpenRead" path="/exception"/>
    public static string ReadAllText(string path)
    {
        Require(path);
        return File.ReadAllText(path, Encoding.UTF8);
    }

    private static void Require(string path)
    {
        if (Problem(path) is { } problem) throw new NotAFileException(path, problem);
    }

    private static bool IsDescriptor(string path) =>
        Path.GetFullPath(path) is "/dev/stdin" or ['/', 'd', 'e', 'v', '/', 'f', 'd', '/', ..]
            or ['/', 'p', 'r', 'o', 'c', '/', 's', 'e', 'l', 'f', '/', 'f', 'd', '/', ..];

    private static Kind? Of(string path)
    {
        if (OperatingSystem.IsLinux())
        {
            try
            {
                Span<byte> status = stackalloc byte[StatusSize];
                if (StatX(CurrentDirectory, path, 0, WantsType, ref MemoryMarshal.GetReference(status)) != 0)
                {
                    return Marshal.GetLastPInvokeError() == AccessDenied ? Kind.Hidden : null;
                }
                var mode = status[ModeAt..];
                return (Kind)((BitConverter.IsLittleEndian
                    ? BinaryPrimitives.ReadUInt16LittleEndian(mode)
                    : BinaryPrimitives.ReadUInt16BigEndian(mode)) & TypeMask);
            }
            catch (EntryPointNotFoundException)
            {
                // a C library older than the call
            }
        }
        return Directory.Exists(path) ? Kind.Directory : null;
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int StatX(int directory, string path, int flags, uint mask, ref byte status);
}
