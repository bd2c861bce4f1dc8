namespace OnnxAttribution.View.Figures;

/// <summary>Colours of a drawing, as SVG's presentation attributes take them.</summary>
/// <param name="Paper">Behind everything; null: nothing is painted there.</param>
/// <param name="Ink">Text and axes.</param>
/// <param name="Quiet">Text that comes second.</param>
/// <param name="Rule">Grid lines and frames.</param>
/// <param name="Band">Every other row.</param>
/// <param name="Box">Boxes, below their tint.</param>
/// <param name="Raises">What raises the metric.</param>
/// <param name="Lowers">What lowers it.</param>
/// <param name="Unknown">What is not known, and random controls.</param>
/// <param name="Series">Colours for kinds of things that have no sign.</param>
internal sealed record SvgTheme(
    string? Paper, string Ink, string Quiet, string Rule, string Band, string Box, string Raises, string Lowers, string Unknown,
    IReadOnlyList<string> Series)
{
    /// <summary>Dark on white, as slides and papers want it.</summary>
    public static SvgTheme Light { get; } =
        new("#ffffff", "#1b1f24", "#57606a", "#d8dee4", "#f4f6f8", "#ffffff", "#2166ac", "#b2182b", "#7d8590",
            ["#4477aa", "#cc6633", "#228866", "#aa3377", "#8a7a2f"]);

    public static SvgTheme Dark { get; } =
        new("#0f1318", "#e6edf3", "#9aa4af", "#30363d", "#161b22", "#1c222a", "#6cb0f0", "#f47f83", "#8b949e",
            ["#6cb0f0", "#f0a060", "#56c596", "#e58ac0", "#d3c15a"]);

    /// <summary>For a drawing within a page: each colour is a custom property of the page, such as <c>--ink</c>,
    /// and <see cref="Light"/>'s where the page has none. Not for files: only browsers know custom properties.</summary>
    public static SvgTheme Inline { get; } = new(null, Property("ink", Light.Ink), Property("quiet", Light.Quiet),
        Property("rule", Light.Rule), Property("band", Light.Band), Property("box", Light.Box), Property("raises", Light.Raises),
        Property("lowers", Light.Lowers), Property("unknown", Light.Unknown),
        [.. Light.Series.Select((c, i) => Property($"series-{i + 1}", c))]);

    /// <summary>The same with blue and orange for the two signs, which nobody mixes up (Okabe and Ito).</summary>
    public SvgTheme ColourBlindSafe => this with { Raises = "#0072b2", Lowers = "#d55e00" };

    /// <summary>The colour of what a node or edge does.</summary>
    /// <param name="does">Above 0: raises; NaN: not known.</param>
    public string Sign(double does) => double.IsNaN(does) ? Unknown : does < 0 ? Lowers : Raises;

    /// <summary>The colour that a text on a tinted box is read in: that of <see cref="Ink"/> and <see cref="Box"/> whose contrast is
    /// larger (WCAG 2, contrast ratio).</summary>
    /// <param name="tint">Such as <c>#4477aa</c>.</param>
    /// <param name="opacity">Of the tint over <see cref="Box"/>, 0 to 1.</param>
    public string InkOn(string tint, double opacity)
    {
        var ground = Luminance(tint, opacity);
        return Contrast(Luminance(Box, 1), ground) > Contrast(Luminance(Ink, 1), ground) ? Box : Ink;
    }

    private static double Contrast(double one, double other) => (Math.Max(one, other) + 0.05) / (Math.Min(one, other) + 0.05);

    private double Luminance(string colour, double opacity)
    {
        double Linear(int at)
        {
            double Channel(string of) => Convert.ToInt32(of.Substring(at, 2), 16) / 255.0;
            var mixed = (opacity * Channel(colour)) + ((1 - opacity) * Channel(Box));
            return mixed <= 0.04045 ? mixed / 12.92 : Math.Pow((mixed + 0.055) / 1.055, 2.4);
        }
        return (0.2126 * Linear(1)) + (0.7152 * Linear(3)) + (0.0722 * Linear(5));
    }

    private static string Property(string name, string colour) => $"var(--{name},{colour})";
}
