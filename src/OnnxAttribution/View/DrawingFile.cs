using System.Text;
using OnnxAttribution.Files;
using OnnxAttribution.Store;

namespace OnnxAttribution.View;

/// <summary>A picture as a file: written beside its place and renamed when whole.</summary>
internal static class DrawingFile
{
    /// <summary>Refuses a file that <see cref="Write"/> would refuse. Changes nothing.</summary>
    /// <inheritdoc cref="ResultFile.RequireFree" path="/exception"/>
    public static void CheckFree(string file, bool force) => new ResultFile(file, force) { Example = "graph.svg" }.RequireFree();

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
