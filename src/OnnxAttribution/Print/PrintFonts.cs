using System.Globalization;
using System.Reflection;
using System.Text;
using SkiaSharp;

namespace OnnxAttribution.Print;

/// <summary>A stretch of text that one font has.</summary>
/// <param name="Font">null: no font has its one character, or it is a <see cref="ControlPicture"/>.</param>
internal readonly record struct PrintRun(string Text, SKTypeface? Font);

/// <summary>The fonts of prints: DejaVu Sans Condensed, which the library carries, then those of the system for what it lacks (Chinese,
/// Japanese, Korean, emoji). What no font has is drawn as a box with its number in it.</summary>
/// <remarks>Letters are set one after the other as they come: Hebrew and Arabic are turned around, but not joined.</remarks>
internal static class PrintFonts
{
    // where Linux keeps fonts; other systems are asked by character
    private static readonly string[] s_folders = ["/usr/share/fonts", "/usr/local/share/fonts",
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "fonts")];

    private static readonly Lazy<SKTypeface> s_plain = new(() => Carried("DejaVuSansCondensed.ttf"));
    private static readonly Lazy<SKTypeface> s_bold = new(() => Carried("DejaVuSansCondensed-Bold.ttf"));
    private static readonly Lazy<IReadOnlyList<SKTypeface>> s_system = new(Installed);
    private static readonly Dictionary<int, SKTypeface?> s_found = [];

    /// <summary>How wide a text is drawn, in the size's unit.</summary>
    /// <exception cref="PrintException">The native library cannot be loaded.</exception>
    public static double Width(string text, double size, bool bold)
    {
        try
        {
            return Runs(text, bold).Sum(run => Width(run, (float)size));
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException or TypeInitializationException)
        {
            throw PrintException.NoLibrary(e.GetBaseException());
        }
    }

    /// <summary>Of a run alone.</summary>
    public static float Width(PrintRun run, float size)
    {
        if (run.Font is not { } typeface) return size;
        using var font = Font(typeface, size);
        return font.MeasureText(run.Text);
    }

    public static SKFont Font(SKTypeface typeface, float size) => new(typeface, size) { Subpixel = true, Edging = SKFontEdging.Antialias };

    /// <summary>A text in stretches of one font each, from left to right as they are drawn.</summary>
    public static IReadOnlyList<PrintRun> Runs(string text, bool bold)
    {
        var (result, run, font) = (new List<PrintRun>(), new StringBuilder(), (SKTypeface?)null);
        void End()
        {
            if (run.Length > 0) result.Add(new PrintRun(run.ToString(), font));
            run.Clear();
        }
        foreach (var rune in Visual(text))
        {
            var of = Of(rune.Value, bold);
            if (of != font || of is null) End();
            font = of;
            run.Append(rune.ToString());
        }
        End();
        return result;
    }

    // words of right-to-left scripts in the order in which they are seen, marks behind their letters
    private static IEnumerable<Rune> Visual(string text)
    {
        var turned = new Stack<string>();
        foreach (var rune in text.EnumerateRunes())
        {
            if (IsRightToLeft(rune.Value))
            {
                var isMark = Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark;
                turned.Push(isMark && turned.TryPop(out var letter) ? letter + rune : rune.ToString());
                continue;
            }
            foreach (var letter in Popped(turned)) yield return letter;
            yield return rune;
        }
        foreach (var letter in Popped(turned)) yield return letter;
    }

    private static IEnumerable<Rune> Popped(Stack<string> letters)
    {
        while (letters.TryPop(out var letter))
        {
            foreach (var rune in letter.EnumerateRunes()) yield return rune;
        }
    }

    private static bool Has(SKTypeface typeface, int character)
    {
        using var font = new SKFont(typeface);
        return font.ContainsGlyph(character);
    }

    private static bool IsRightToLeft(int value) => !char.IsDigit((char)value)
        && value is (>= 0x0590 and <= 0x08FF) or (>= 0xFB1D and <= 0xFDFF) or (>= 0xFE70 and <= 0xFEFC);

    private static SKTypeface? Of(int character, bool bold)
    {
        if (ControlPicture.NameOf(character) is not null) return null;
        var own = bold ? s_bold.Value : s_plain.Value;
        if (Has(own, character)) return own;
        if (Has(s_plain.Value, character)) return s_plain.Value;
        lock (s_found)
        {
            if (!s_found.TryGetValue(character, out var found))
            {
                s_found[character] = found = Matching(character) ?? s_system.Value.FirstOrDefault(f => Has(f, character));
            }
            return found;
        }
    }

    // a system without fonts answers with one that has nothing in it
    private static SKTypeface? Matching(int character) =>
        SKFontManager.Default.MatchCharacter(character) is { } match && Has(match, character) ? match : null;

    private static SKTypeface Carried(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"{name} is no resource of this library; build it again");
        return SKTypeface.FromStream(stream);
    }

    private static IReadOnlyList<SKTypeface> Installed()
    {
        if (!OperatingSystem.IsLinux()) return [];
        var options = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true };
        return [.. s_folders.Where(Directory.Exists).SelectMany(folder => Directory.EnumerateFiles(folder, "*", options))
            .Where(file => Path.GetExtension(file).ToLowerInvariant() is ".ttf" or ".otf" or ".ttc")
            .OrderBy(file => file.Contains("Serif", StringComparison.Ordinal)).ThenBy(file => file, StringComparer.Ordinal)
            .Select(file => SKTypeface.FromFile(file)).Where(typeface => typeface is not null)];
    }
}
