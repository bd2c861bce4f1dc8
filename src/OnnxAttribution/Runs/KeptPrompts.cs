using System.Text;
using OnnxAttribution.Files;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>The prompts that a template was expanded to, beside what was made of them.</summary>
internal static class KeptPrompts
{
    /// <summary>Refuses a directory in which other prompts lie where the template's would. Changes nothing.</summary>
    /// <exception cref="RunDirectoryException">They do, or what lies there cannot be read.</exception>
    public static void CheckFree(string file, string directory, IEnumerable<PromptTask?> tasks)
    {
        var kept = Path.Combine(directory, DatasetNames.ExpandedPrompts);
        if (!PromptFile.IsTemplate(file) || !Path.Exists(kept)) return;
        try
        {
            if (!RegularFile.ReadAllBytes(kept).AsSpan().SequenceEqual(Bytes(tasks))) throw RunDirectoryException.OtherPrompts(kept);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw RunDirectoryException.Unreadable(kept, e);
        }
    }

    /// <summary>Writes them, whole or not at all, where the file that was given is a template.</summary>
    /// <returns>Where lines that fail are to be found: the file that was given or, of a template, the one that is kept.</returns>
    /// <exception cref="RunDirectoryException">The directory cannot be written.</exception>
    public static string Write(string file, string directory, IEnumerable<PromptTask?> tasks, CancellationToken cancel)
    {
        if (!PromptFile.IsTemplate(file)) return file;
        var kept = Path.Combine(directory, DatasetNames.ExpandedPrompts);
        var text = Bytes(tasks);
        OutputFile.Write(Path.GetFullPath(kept), stream => stream.Write(text),
            why => RunDirectoryException.Unwritable(directory, why), cancel);
        return kept;
    }

    private static byte[] Bytes(IEnumerable<PromptTask?> tasks) => Encoding.UTF8.GetBytes(PromptFile.Lines(tasks.OfType<PromptTask>()));
}
