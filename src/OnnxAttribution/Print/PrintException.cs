using OnnxAttribution.Files;

namespace OnnxAttribution.Print;

/// <summary>A drawing that cannot be printed here. The message is one sentence that says why, and what to do.</summary>
internal sealed class PrintException : OnnxAttributionException
{
    private PrintException(string message, Exception? why = null) : base(message, why)
    {
    }

    public static PrintException NoLibrary(Exception why) =>
        new($"SkiaSharp's native library, which draws PNG and PDF and measures what boxes hold, cannot be loaded here ({why.Message}); "
            + "write a graph or a figure as SVG, without boxes", why)
        {
            Settings = [Setting.Format]
        };
}
