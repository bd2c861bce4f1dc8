using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>The tensors of one file by name, asked for one by one, so that none is left over unread.</summary>
internal sealed class StateDictionary(string path, IReadOnlyDictionary<string, object?> values)
{
    private readonly HashSet<string> _read = [];

    public string Path { get; } = path;

    /// <summary>The path of its folder as the file system has it, and as it was given, in full and with slashes:
    /// what is read off a path is read off the first that says it.</summary>
    public IEnumerable<string> Folders =>
        ((string[])[RealPath.Of(Folder), System.IO.Path.GetFullPath(Folder)]).Distinct().Select(f => f.Replace('\\', '/'));

    private string Folder => System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Path))!;

    public IEnumerable<string> Names => values.Keys;

    /// <summary>Whether there is a matrix in it, as in every dictionary.</summary>
    public bool HasMatrix => values.Values.Any(v => v is StridedTensor { Shape.Length: 2 });

    public bool Has(string name) => values.ContainsKey(name);

    /// <summary>A tensor of any shape.</summary>
    public StridedTensor this[string name] => Value(name) is StridedTensor tensor
        ? tensor
        : throw new CheckpointException(Path, $"has no tensor {DisplayText.QuotedName(name)}; check that it is the file it should be.");

    /// <summary>A tensor or a plain value; null where there is none.</summary>
    public object? Value(string name)
    {
        _read.Add(name);
        return values.GetValueOrDefault(name);
    }

    public float[] Vector(string name, long length) => this[name].Require(length).ReadVector();

    /// <summary>A matrix's shape.</summary>
    public (long Rows, long Columns) Matrix(string name) => this[name].Shape is [var rows and > 0, var columns and > 0] ? (rows, columns)
        : throw new CheckpointException(Path, $"tensor {DisplayText.QuotedName(name)} has shape {this[name].ShapeText} where a matrix is "
            + "expected; check that it is the file it should be.");

    /// <exception cref="CheckpointException">There is a value that was never asked for:
    /// it would have changed the result where it is.</exception>
    public void RequireAllRead(string kind)
    {
        foreach (var name in values.Keys.Except(_read).Order(StringComparer.Ordinal))
        {
            throw new CheckpointException(Path,
                name is "W_skip" ? "has tensor 'W_skip', so it is a transcoder; only dictionaries that rebuild their input are read."
                    : $"has {DisplayText.QuotedName(name)}, which a dictionary of the kind {kind} does not have; "
                        + "check that config and weights belong together.");
        }
    }
}
