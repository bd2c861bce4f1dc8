using System.Text;
using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.View;

/// <summary>A picture as a file: written beside its place and renamed when whole.</summary>
internal static class DrawingFile
{
    /// <summary>Refuses a file that <see cref="Write"/> would refuse. Changes nothing.</summary>
    /// <exception cref="RunDirectoryException">A file is there and <paramref name="force"/> is off,
    /// it is a directory, or it is a table or the description of a run.</exception>
    public static void CheckFree(string file, bool force)
    {
        if (Directory.Exists(file)) throw RunDirectoryException.DrawingIsDirectory(file);
        if (RunNames.Files.Contains(Path.GetFileName(file))
            && File.Exists(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file))!, RunNames.RecordFile)))
        {
            throw RunDirectoryException.ProtectedFile(file);
        }
        if (!force && File.Exists(file)) throw RunDirectoryException.FileExists(file);
    }

    /// <summary>Writes text: UTF-8 without a mark, lines ending in \n.</summary>
    /// <param name="write">Gets the open file.</param>
    /// <inheritdoc cref="WriteBytes" path="/exception"/>
    public static void Write(string file, bool force, Action<TextWriter> write, CancellationToken cancel = default) =>
        WriteBytes(file, force, stream =>
        {
            using var writer = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true)
            {
                NewLine = "\n"
            };
            write(writer);
        }, cancel);

    /// <param name="write">Gets the open file.</param>
    /// <exception cref="RunDirectoryException">As <see cref="CheckFree"/>,
    /// or the file cannot be written; nothing is left behind.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    public static void WriteBytes(string file, bool force, Action<Stream> write, CancellationToken cancel = default)
    {
        CheckFree(file, force);
        Exception Unwritable(Exception why) => RunDirectoryException.Unwritable(file, why);
        OutputFile.Write(file, write, Unwritable, cancel);
    }
}
