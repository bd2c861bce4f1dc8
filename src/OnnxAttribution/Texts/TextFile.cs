using System.Text;
using OnnxAttribution.Files;

namespace OnnxAttribution.Texts;

/// <summary>A text file in UTF-8, plain or gzip, read as a stream.</summary>
internal sealed class TextFile
{
    private readonly FileInfo _info;
    private readonly string _option;

    /// <param name="option">That names the file, for messages.</param>
    /// <exception cref="TextException">The file is missing or empty, or a directory.</exception>
    public TextFile(string path, string option = "--text")
    {
        (_info, _option) = (new FileInfo(path), option);
        if (Directory.Exists(path)) throw new TextException($"{path} is a directory; give {option} a text file");
        if (!_info.Exists) throw new TextException($"there is no file {path}; give {option} a text file in UTF-8, .txt or .txt.gz");
        if (RegularFile.Problem(path) is { } problem) throw new TextException($"{path} cannot be read: {problem}");
        if (_info.Length == 0) throw Empty();
    }

    public string Path => _info.FullName;

    /// <summary>Without its directory.</summary>
    public string Name => _info.Name;

    /// <summary>Bytes on disk.</summary>
    public long Length => _info.Length;

    /// <summary>Changes when the file does; not its content's hash, which would cost a pass over it.</summary>
    public string Key => FormattableString.Invariant($"{_info.FullName} {_info.Length} {_info.LastWriteTimeUtc.Ticks}");

    /// <summary>The text from its beginning. The caller disposes.</summary>
    /// <exception cref="TextException">The file cannot be read.</exception>
    public TextFileReader Open()
    {
        try
        {
            var file = RegularFile.OpenRead(_info.FullName, 1 << 16, options: FileOptions.SequentialScan);
            Span<byte> magic = stackalloc byte[2];
            var isGzip = file.ReadAtLeast(magic, 2, throwOnEndOfStream: false) == 2 && magic is [0x1f, 0x8b];
            file.Position = 0;
            var utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
            return new TextFileReader(this, file,
                new StreamReader(isGzip ? new CheckedGzipStream(file) : file, utf8, detectEncodingFromByteOrderMarks: true, 1 << 16));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(e);
        }
    }

    public TextException Empty() => new($"{_info.FullName} holds no text; give {_option} a file with text in it");

    public TextException Unreadable(Exception why) => new(why switch
    {
        DecoderFallbackException => $"{_info.FullName} is no text in UTF-8; convert it, or name another file",
        InvalidDataException =>
            $"{_info.FullName} is damaged: its gzip data are broken or end too early (or are several files in one); make it again",
        _ => $"{_info.FullName} cannot be read: {FileFault.Words(why, "check the path")}",
    }, why);
}
