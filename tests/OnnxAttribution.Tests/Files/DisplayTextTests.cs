using System.Text.Json.Nodes;
using System.Text;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Files;
using Spectre.Console;

namespace OnnxAttribution.Tests.Files;

/// <summary>What is escaped before people are shown it, and that every door does it.</summary>
public class DisplayTextTests
{
    [Theory]
    [InlineData("plain – é 漢 😀 👩‍👩‍👧", "plain – é 漢 😀 👩‍👩‍👧")]
    [InlineData("\u001b[31m", @"\u001B[31m")]
    [InlineData("\0\u007f\u0085\u009b", @"\u0000\u007F\u0085\u009B")]
    [InlineData("\u202a\u202e\u2066\u2069\u200e\u200f\u061c", @"\u202A\u202E\u2066\u2069\u200E\u200F\u061C")]
    [InlineData("\u2028\u2029\ufeff\u00ad", @"\u2028\u2029\uFEFF\u00AD")]
    [InlineData("\ufdd0\ufffe\uffff\U0001ffff\U000e0041", @"\uFDD0\uFFFE\uFFFF\uD83F\uDFFF\uDB40\uDC41")]
    [InlineData("a\nb\r\tc", @"a\nb\r\tc")]
    public void What_steers_or_hides_is_escaped_and_nothing_else(string text, string shown) =>
        Assert.Equal(shown, DisplayText.OneLine(text));

    [Fact]
    public void Halves_of_surrogate_pairs_are_escaped_wherever_they_stand()
    {
        Assert.Equal(@"\uD83Dx😀\uDE00", DisplayText.OneLine("\ud83dx\ud83d\ude00\ude00"));
        Assert.Equal(@"'a\uD83D'", DisplayText.Quoted("a\ud83d"));
    }

    [Fact]
    public void Every_character_that_is_shown_as_it_is_is_a_graphic_one_or_a_joiner()
    {
        for (var value = 0; value <= 0x10FFFF; value++)
        {
            if (!Rune.TryCreate(value, out var rune)) continue;
            var category = Rune.GetUnicodeCategory(rune).ToString();
            var hidden = category is "Control" or "Format" or "LineSeparator" or "ParagraphSeparator" || (value & 0xFFFE) == 0xFFFE
                || value is >= 0xFDD0 and <= 0xFDEF;
            Assert.Equal(hidden && value is not (0x200C or 0x200D), DisplayText.OneLine(rune.ToString()) != rune.ToString());
        }
    }

    [Fact]
    public void Lines_stay_lines_but_for_a_return_that_would_write_over_one() =>
        Assert.Equal("a\r\nb\n\tc\\rd", DisplayText.Lines("a\r\nb\n\tc\rd"));

    [Fact]
    public void A_long_text_is_cut_and_never_within_a_character()
    {
        Assert.Equal("'abc…'", DisplayText.QuotedStart("abcd", 3));
        Assert.Equal("'ab…'", DisplayText.QuotedStart("ab😀d", 3));
        Assert.Equal("'abcd'", DisplayText.QuotedStart("abcd", 4));
    }

    [Fact]
    public void The_door_escapes_texts_and_single_characters_and_keeps_JSON_the_same()
    {
        using var raw = new StringWriter { NewLine = "\n" };
        using var door = new DisplayWriter(raw, isTerminal: false);
        foreach (var c in "\ud83d\ude00\u001b") door.Write(c);
        door.Write('\ud83d');
        door.WriteLine("\u202e");
        door.Write("ab\u0007".ToCharArray(), 1, 2);
        door.Write(new StringBuilder("\u009b"));
        door.WriteLine("{0}", "\ufeff");
        door.WriteLine(new InvalidOperationException("\u001b]0;title\u0007"));
        Assert.Equal("😀\\u001B\\uD83D\\u202E\nb\\u0007\\u009B\\uFEFF\nSystem.InvalidOperationException: \\u001B]0;title\\u0007\n",
            raw.ToString());
        using var json = new StringWriter();
        using var jsonDoor = new DisplayWriter(json, isTerminal: false);
        var node = new JsonObject { ["\u202e"] = "\u009b\u001b\ufeff\U000e0041\n" };
        Screen.WriteJson(jsonDoor, node);
        Assert.True(JsonNode.DeepEquals(node, JsonNode.Parse(json.ToString())));
        Assert.DoesNotContain('\u202e', json.ToString());
    }

    [Fact]
    public void Bytes_for_a_terminal_are_text_wherever_they_are_cut()
    {
        using var raw = new StringWriter();
        using var door = new DisplayWriter(raw, isTerminal: true);
        using var data = door.OpenData();
        foreach (var b in Encoding.UTF8.GetBytes("é😀\u001b\u202e,\n")) data.Write([b]);
        Assert.Equal("é😀\\u001B\\u202E,\n", raw.ToString());
    }

    [Fact]
    public void Colours_pass_and_what_a_cell_holds_does_not()
    {
        using var raw = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = ColorSystemSupport.TrueColor,
            Out = new AnsiConsoleOutput(raw),
            Interactive = InteractionSupport.No
        });
        console.Pipeline.Attach(new DisplayHook());
        console.Write(new Text("\u009b2J\u202e\u001b[5m", new Style(Color.Red)));
        var shown = raw.ToString();
        Assert.Contains("\u001b[", shown);
        Assert.DoesNotContain("\u001b[5m", shown);
        Assert.DoesNotContain('\u202e', shown);
        Assert.DoesNotContain('\u009b', shown);
    }
}
