using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;
using Spectre.Console;

namespace OnnxAttribution.Cli.Reports;

/// <summary>A context as one line: each token on a ground the warmer the stronger the feature is active there;
/// the peak underlined, or «marked» where there are no colours.</summary>
internal static class ContextText
{
    // from light to strong orange, as dashboards of features shade their texts
    private static readonly (int R, int G, int B) s_weak = (255, 237, 213), s_strong = (249, 115, 22);

    /// <param name="max">The feature's largest activation.</param>
    public static Paragraph Coloured(FeatureContext context, float max)
    {
        var line = new Paragraph();
        for (var i = 0; i < context.Tokens.Count; i++)
        {
            line.Append(Shown(context.Tokens[i]), StyleOf(context.Activations[i] / max, i == context.Peak));
        }
        return line;
    }

    public static string Plain(FeatureContext context) =>
        string.Concat(context.Tokens.Select((t, i) => i == context.Peak ? $"«{Shown(t)}»" : Shown(t)));

    private static Style? StyleOf(float share, bool isPeak)
    {
        if (!(share > 0)) return null;
        share = Math.Min(1, share);
        byte Mixed(int weak, int strong) => (byte)Math.Round(weak + ((strong - weak) * share));
        var ground = new Color(Mixed(s_weak.R, s_strong.R), Mixed(s_weak.G, s_strong.G), Mixed(s_weak.B, s_strong.B));
        return new Style(Color.Black, ground, isPeak ? Decoration.Bold | Decoration.Underline : Decoration.None);
    }

    // one line stays one line, and nothing in a text moves the cursor
    private static string Shown(string token) => DisplayText.OneLine(token.Replace('\n', '⏎').Replace('\t', '⇥'));
}
