using OnnxAttribution.Files;

namespace OnnxAttribution.Checkpoints.Formats;

/// <summary>
/// Finds every dictionary in a folder and the folders in it, of whatever format (<see cref="DictionaryFormats"/>). What is none
/// is passed over, as are folders and files of book-keeping and the steps of a training whose result lies beside them; a
/// dictionary that is broken or not read is refused by name.
/// </summary>
internal sealed class DictionaryFinder
{
    private const int MostDepth = 16;

    private readonly List<FoundDictionary> _found = [];
    private readonly HashSet<string> _folders = [];
    private readonly HashSet<(string Weights, string Site)> _taken = [];
    private readonly Action<string> _passOver;
    private readonly DictionaryFormats _formats;

    private DictionaryFinder(Action<string> passOver) => (_passOver, _formats) = (passOver, new DictionaryFormats(passOver));

    /// <param name="passOver">Told of each file that looked like a dictionary and is none, and why:
    /// one line that begins with its path.</param>
    /// <returns>In the order of their paths. They are the caller's to dispose.</returns>
    /// <exception cref="CheckpointException">No such directory, or one of them cannot be read.</exception>
    public static IReadOnlyList<FoundDictionary> FindAll(string directory, Action<string>? passOver = null)
    {
        if (!Directory.Exists(directory))
        {
            throw new CheckpointException(directory, "there is no such directory; give the directory that holds the dictionaries.");
        }
        var finder = new DictionaryFinder(passOver ?? (_ => { }));
        try
        {
            finder.Search(directory, 0);
            return finder._found;
        }
        catch
        {
            finder._found.ForEach(d => d.Dispose());
            throw;
        }
    }

    private void Search(string directory, int depth)
    {
        if (depth > MostDepth)
        {
            throw new CheckpointException(directory,
                $"lies more than {MostDepth} folders deep; give a directory nearer to the dictionaries.");
        }
        // a link may lead to where the search has been, or is
        if (!_folders.Add(RealPath.Of(directory)) || Listed(directory) is not { } listed) return;
        var steps = listed.Files.Where(f => StrayFiles.IsStep(Path.GetFileName(f))).ToList();
        if (steps.Count > 0)
        {
            _passOver($"{directory}: holds steps of a training ({Counted(steps)}); the dictionary that it made is the "
                + $"{DictionaryLearningFormat.FileName} above them, and a step is read where it has this name and "
                + "its config.json beside it.");
        }
        foreach (var path in listed.Files.Except(steps))
        {
            if (_formats.Open(directory, path) is { } dictionary) Add(dictionary);
        }
        var names = listed.Folders.Select(f => Path.GetFileName(f)!).ToList();
        var earlier = listed.Folders.Where(f => StrayFiles.IsStepFolder(Path.GetFileName(f), names)).ToList();
        if (earlier.Count > 0)
        {
            _passOver(
                $"{directory}: holds steps of a training ({Counted(earlier)}) beside what it made; give a step's own folder to read it.");
        }
        foreach (var path in listed.Folders.Except(earlier)) Search(path, depth + 1);
    }

    // the hub's cache has a folder of links for each revision
    private void Add(FoundDictionary dictionary)
    {
        var weights = dictionary.Conversion?.Source ?? dictionary.SaeLens!.File.Path;
        if (_taken.Add((RealPath.Of(weights), dictionary.Config.HookName))) _found.Add(dictionary);
        else dictionary.Dispose();
    }

    private (IReadOnlyList<string> Files, IReadOnlyList<string> Folders)? Listed(string directory)
    {
        static string[] Kept(string[] paths) =>
            [.. paths.Where(p => !StrayFiles.IsBookkeeping(Path.GetFileName(p)) && !StrayFiles.IsTrainingState(Path.GetFileName(p)))
                .Order(StringComparer.Ordinal)];
        try
        {
            return (Kept(Directory.GetFiles(directory)), Kept(Directory.GetDirectories(directory)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _passOver($"{directory}: cannot be read: {FileFault.Words(e)}.");
            return null;
        }
    }

    private static string Counted(List<string> paths) =>
        Path.GetFileName(paths[0]) + (paths.Count == 1 ? "" : $" and {paths.Count - 1} more");
}
