namespace OnnxAttribution.View.Formats;

/// <summary>Texts of graph JSON.</summary>
internal static class ViewerText
{
    /// <summary>Text that does no harm as HTML, which the viewer puts into its page.</summary>
    public static string Harmless(string text, int letters = 40) =>
        TokenLabel.Of(text, letters).Replace('<', '‹').Replace('>', '›').Replace('&', '＆');
}
