using System.Text;
using OnnxAttribution.Print;
using OnnxAttribution.Tests.View;
using OnnxAttribution.View;
using OnnxAttribution.View.Figures;
using SkiaSharp;

namespace OnnxAttribution.Tests.Print;

public sealed class PrintedDrawingTests
{
    private const string Start = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100\" height=\"60\">";

    [Fact]
    public void Shapes_have_their_colours_where_they_are()
    {
        using var png = Png(Start + """
            <rect x="0" y="0" width="100" height="60" fill="#ffffff"/>
            <rect x="10" y="10" width="20" height="20" fill="#2166ac"/>
            <circle cx="60" cy="20" r="10" fill="#b2182b" fill-opacity="0.5"/>
            <g transform="translate(10 30)" fill="#228866"><path d="M0 10L20 10L20 20L0 20Z"/></g>
            <line x1="60" y1="50" x2="90" y2="50" stroke="#000000" stroke-width="4"/>
            </svg>
            """, 2);
        Assert.Equal((200, 120), (png.Width, png.Height));
        Assert.Equal(SKColor.Parse("#2166ac"), png.GetPixel(40, 40));
        Assert.Equal(SKColors.White, png.GetPixel(80, 40));
        // half of the way from white
        Assert.InRange(png.GetPixel(120, 40).Green, (byte)(((255 + 0x18) / 2) - 2), (byte)(((255 + 0x18) / 2) + 2));
        Assert.Equal(SKColor.Parse("#228866"), png.GetPixel(40, 90));
        Assert.Equal(SKColors.Black, png.GetPixel(150, 100));
    }

    [Fact]
    public void Hatching_is_drawn_within_its_box_and_lets_the_ground_be_seen()
    {
        using var png = Png(Start + """
            <defs><pattern id="h" width="5" height="5">
            <line x1="0" y1="0" x2="0" y2="5" stroke="#000000" stroke-width="1.6"/></pattern></defs>
            <rect x="0" y="0" width="100" height="60" fill="#ffffff"/>
            <rect x="20" y="10" width="40" height="40" fill="url(#h)"/></svg>
            """, 2);
        var inside = Pixels(png, (44, 24), (116, 96)).ToList();
        Assert.Contains(SKColors.White, inside);
        Assert.Contains(inside, p => p.Red < 60);
        Assert.All(Pixels(png, (124, 0), (199, 119)), p => Assert.Equal(SKColors.White, p));
    }

    [Fact]
    public void Text_begins_ends_or_is_centred_where_it_is_said_and_is_as_wide_as_measured()
    {
        (int First, int Last) Ink(string anchor)
        {
            using var png = Png(Start + "<rect x=\"0\" y=\"0\" width=\"100\" height=\"60\" fill=\"#ffffff\"/>"
                + $"<text x=\"50\" y=\"30\" font-size=\"12\" text-anchor=\"{anchor}\">HHHH</text></svg>", 1);
            int[] columns = [.. Enumerable.Range(0, 100).Where(x => Enumerable.Range(0, 60).Any(y => png.GetPixel(x, y).Red < 128))];
            return (columns[0], columns[^1]);
        }
        var width = PrintFonts.Width("HHHH", 12, bold: false);
        Assert.InRange(Ink("start").First, 50, 52);
        Assert.InRange(Ink("start").Last, 50 + width - 3, 50 + width);
        Assert.InRange(Ink("end").Last, 47, 50);
        Assert.InRange(Ink("middle").First, 50 - (width / 2), 50 - (width / 2) + 3);
    }

    [Fact]
    public void A_character_that_no_font_has_is_a_box_with_its_number_and_never_nothing()
    {
        // not assigned, and never will be
        var run = Assert.Single(PrintFonts.Runs("\U0003FFFD", bold: false));
        Assert.Null(run.Font);
        Assert.Equal(12, PrintFonts.Width("\U0003FFFD", 12, bold: false));
        var svg = Start + "<text x=\"10\" y=\"40\" font-size=\"24\">\U0003FFFD</text></svg>";
        using var png = Png(svg, 2);
        Assert.Equal(["\U0003FFFD"], PrintedDrawing.WritePng(svg, Stream.Null, 1));
        Assert.Empty(PrintedDrawing.WritePdf(Start + "<text x=\"10\" y=\"40\">a</text></svg>", Stream.Null));
        Assert.True(Pixels(png, (20, 40), (68, 88)).Count(p => p.Alpha > 128) > 100);
    }

    [Fact]
    public void Words_that_are_written_from_the_right_are_turned_and_others_are_not()
    {
        static string Shown(string text) => string.Concat(PrintFonts.Runs(text, bold: false).Select(r => r.Text));
        Assert.Equal("abc \u05D2\u05D1\u05D0 def", Shown("abc \u05D0\u05D1\u05D2 def"));
        // a point stays behind its letter
        Assert.Equal("\u05D1\u05D0\u05B8", Shown("\u05D0\u05B8\u05D1"));
        Assert.Equal("日本 Δ я", Shown("日本 Δ я"));
    }

    [Fact]
    public void What_a_token_may_be_shown_as_is_in_the_carried_font_or_drawn_by_hand()
    {
        Assert.All("␣⏎⇥□…−·→ΔяĄé", c => Assert.NotNull(PrintFonts.Runs(c.ToString(), bold: false)[0].Font));
        var controls = string.Concat(Enumerable.Range(0x2400, 0x22).Select(c => (char)c));
        var svg = Start + $"<text x=\"0\" y=\"40\" font-size=\"12\">{controls}</text></svg>";
        Assert.Empty(PrintedDrawing.WritePng(svg, Stream.Null, 1));
        Assert.Equal("DEL", ControlPicture.NameOf(0x2421));
        Assert.Equal("US", ControlPicture.NameOf(0x2400 + 0x1F));
        Assert.Null(ControlPicture.NameOf(0x2422));
        Assert.Equal(34 * 12, PrintFonts.Width(controls, 12, bold: false));
    }

    [Theory, InlineData("polygon", "<polygon points=\"0,0 1,1\"/>"), InlineData("skewX", "<g transform=\"skewX(3)\"/>")]
    public void What_no_figure_is_made_of_is_refused(string what, string element) =>
        Assert.Contains(what, Assert.Throws<InvalidOperationException>(() => Png(Start + element + "</svg>", 1)).Message);

    [Fact]
    public void A_bitmap_is_never_over_64_megapixels()
    {
        using var png = Png("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"20000\" height=\"8000\"/>", 2);
        Assert.InRange((long)png.Width * png.Height, 60L << 20, 65L << 20);
        Assert.Equal(2.5, (double)png.Width / png.Height, 0.01);
    }

    [Fact]
    public void The_same_drawing_gives_the_same_bytes()
    {
        var svg = Drawn(PictureSamples.Hostile());
        Assert.Equal(Bytes(o => PrintedDrawing.WritePng(svg, o, 1)), Bytes(o => PrintedDrawing.WritePng(svg, o, 1)));
    }

    [Fact]
    public void A_pdf_is_one_page_of_the_drawings_size()
    {
        var pdf = Encoding.Latin1.GetString(Bytes(o => PrintedDrawing.WritePdf(Start + "<text x=\"1\" y=\"20\">word</text></svg>", o)));
        Assert.StartsWith("%PDF-", pdf);
        Assert.Contains("/MediaBox [0 0 75 45]", pdf);
        Assert.Contains("/Count 1", pdf);
        // text is text
        Assert.Contains("/ToUnicode", pdf);
        Assert.EndsWith("%%EOF", pdf.TrimEnd());
    }

    [Fact]
    public void Every_sample_of_a_picture_is_printed()
    {
        RunPicture[] pictures = [PictureSamples.Hostile(), PictureSamples.Single(), PictureSamples.Empty(), PictureSamples.Unknown(),
            PictureSamples.SameNumbers(), PictureSamples.Mixed()];
        foreach (var picture in pictures)
        {
            using var png = Png(Drawn(picture), 1);
            Assert.True(Pixels(png, (0, 0), (png.Width - 1, png.Height - 1)).Distinct().Count() > 10);
        }
    }

    private static string Drawn(RunPicture picture)
    {
        using var writer = new StringWriter();
        GraphSvg.Write(picture, writer, SvgTheme.Light);
        return writer.ToString();
    }

    private static IEnumerable<SKColor> Pixels(SKBitmap png, (int X, int Y) first, (int X, int Y) last) =>
        from y in Enumerable.Range(first.Y, last.Y - first.Y + 1)
        from x in Enumerable.Range(first.X, last.X - first.X + 1)
        select png.GetPixel(x, y);

    private static SKBitmap Png(string svg, double scale) => SKBitmap.Decode(Bytes(o => PrintedDrawing.WritePng(svg, o, scale)));

    private static byte[] Bytes(Action<Stream> write)
    {
        using var stream = new MemoryStream();
        write(stream);
        return stream.ToArray();
    }
}
