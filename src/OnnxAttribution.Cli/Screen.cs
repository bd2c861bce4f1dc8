using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace OnnxAttribution.Cli;

/// <summary>Where results go: tables for people, JSON for machines.</summary>
internal static class Screen
{
    // nobody's terminal, so nothing is cut off for its sake
    private const int WidthOfNoTerminal = 200;

    private static readonly JsonSerializerOptions s_json = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void WriteJson(TextWriter output, JsonObject json) => output.WriteLine(json.ToJsonString(s_json));

    public static IAnsiConsole On(TextWriter output)
    {
        var isTerminal = ReferenceEquals(output, Console.Out) && !Console.IsOutputRedirected;
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = isTerminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
        });
        console.Profile.Capabilities.Unicode = true;
        if (!isTerminal) console.Profile.Width = WidthOfNoTerminal;
        return console;
    }

    /// <param name="columns">Headings; one that begins with '#' is of numbers, to the right.</param>
    public static Table Table(string title, params ReadOnlySpan<string> columns)
    {
        var table = new Table { Title = new TableTitle(Markup.Escape(title)), Border = TableBorder.Rounded };
        foreach (var column in columns)
        {
            var isNumber = column.StartsWith('#');
            table.AddColumn(new TableColumn(new Text(column.TrimStart('#'))) { Alignment = isNumber ? Justify.Right : Justify.Left, NoWrap = isNumber });
        }
        return table;
    }

    public static void AddRow(this Table table, params ReadOnlySpan<string> cells)
    {
        var texts = new Text[cells.Length];
        for (var i = 0; i < texts.Length; i++) texts[i] = new Text(cells[i]);
        table.AddRow(texts.AsEnumerable());
    }

    /// <summary>Six significant digits at most, as short as they come.</summary>
    public static string Number(double value) => double.IsNaN(value) ? "–" : value.ToString("G4");

    public static string Percent(double share) => double.IsNaN(share) ? "–" : (share * 100).ToString(Math.Abs(share) < 0.001 ? "0.###" : "0.0") + " %";

    public static string Bytes(long bytes) => bytes switch
    {
        >= 1L << 30 => $"{bytes / (double)(1L << 30):0.0} GiB",
        >= 1L << 20 => $"{bytes / (double)(1L << 20):0.0} MiB",
        >= 1L << 10 => $"{bytes / (double)(1L << 10):0.0} KiB",
        _ => $"{bytes} B",
    };
}
