using OnnxAttribution.Files;

namespace OnnxAttribution.View.Live;

/// <summary>A run of which no page can be made that runs the model. The message is one sentence that says what to do.</summary>
public sealed class LivePageException : OnnxAttributionException
{
    private LivePageException(string message) : base(message)
    {
    }

    internal static LivePageException OfManyPrompts(string run) =>
        new($"{run} is of many prompts, and a live page runs the model on one; take the run of one prompt");

    internal static LivePageException OfTranscoders(string run) =>
        new($"{run} is of the replacement model, in which transcoders stand for MLPs and errors are held, and a live page runs the model "
            + "itself; take a run of sparse autoencoders");

    internal static LivePageException WithoutBundle(string fault) =>
        new($"{fault}, and a live page is made of it; name the run's bundle") { Settings = [Setting.Model] };

    internal static LivePageException WithoutFeatures(string run) =>
        new($"{run} has no drawn feature of a dictionary, so there is nothing to edit; draw more of it, or make it again with dictionaries "
            + "at its sites");

    internal static LivePageException TooLargeForAFile(string file, long bytes, long most) =>
        new($"{file} would have {Megabytes(bytes)}, and a page in one file has {Megabytes(most)} at most; name a folder")
        {
            Settings = [Setting.Out]
        };

    internal static LivePageException TooLarge(long bytes, long most) =>
        new($"the model and the encoders that a live page needs have {Megabytes(bytes)}, and a browser holds {Megabytes(most)}; "
            + "make the run again at fewer sites, or of a smaller model")
        {
            Settings = [Setting.Sites]
        };

    private static string Megabytes(long bytes) => $"{bytes / 1_000_000:N0} MB";
}
