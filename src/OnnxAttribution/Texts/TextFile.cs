using System.Text;
using OnnxAttribution.Files;

namespace OnnxAttribution.Texts;

/// <summary>A text file in UTF-8, plain or gzip: that it is one, and what it is called.</summary>
internal sealed class TextFile
{
    private readonly FileInfo _info;
    private readonly Setting _setting;

    /// <param name="setting">That names the file, for messages.</param>
    /// <exception cref="TextException">The file is missing or empty, or a directory.</exception>
    public TextFile(string path, Setting setting = Setting.Text)
    {
        (_info, _setting) = (new FileInfo(path), setting);
        if (Directory.Exists(path)) throw Wrong($"{path} is a directory; give a text file");
        if (!_info.Exists) throw Wrong($"there is no file {path}; give a text file in UTF-8, .txt or .txt.gz");
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

    /// <summary>What is thrown where the file has no text in it.</summary>
    public TextException Empty() => Wrong($"{_info.FullName} holds no text; give a file with text in it");

    private TextException Wrong(string message) => new(message) { Settings = [_setting] };

    /// <summary>What is thrown where reading failed.</summary>
    public TextException Unreadable(Exception why) => new(why switch
    {
        DecoderFallbackException => $"{_info.FullName} is no text in UTF-8; convert it, or name another file",
        InvalidDataException =>
            $"{_info.FullName} is damaged: its gzip data are broken or end too early (or are several files in one); make it again",
        _ => $"{_info.FullName} cannot be read: {FileFault.Words(why, "check the path")}",
    }, why);
}
