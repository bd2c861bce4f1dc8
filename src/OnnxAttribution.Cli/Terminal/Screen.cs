using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using OnnxAttribution.Files;
using OnnxAttribution.View;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace OnnxAttribution.Cli.Terminal;

/// <summary>Where results go: tables for people, JSON for machines.</summary>
internal static class Screen
{
    // nobody's terminal, so nothing is cut off for its sake
    private const int WidthOfNoTerminal = 200;

    private static readonly JsonSerializerOptions s_json =
        new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static void WriteJson(TextWriter output, JsonObject json) => output.WriteLine(json.ToJsonString(s_json));

    public static IAnsiConsole On(TextWriter output)
    {
        var display = output as DisplayWriter;
        var isTerminal = display?.IsTerminal ?? false;
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(display?.Raw ?? output),
            Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = isTerminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
        });
        console.Profile.Capabilities.Unicode = true;
        console.Pipeline.Attach(new DisplayHook());
        if (!isTerminal) console.Profile.Width = WidthOfNoTerminal;
        return console;
    }

    /// <summary>A cell. It is escaped before it is measured: the table's widths are those of what is shown.</summary>
    public static Text Cell(string text, Style? style = null) => new(DisplayText.OneLine(text), style);

    /// <summary>What stands above or below a table.</summary>
    public static TableTitle Title(string text) => new(Markup.Escape(DisplayText.OneLine(text)));

    /// <param name="columns">Headings; one that begins with '#' is of numbers, to the right.</param>
    public static Table Table(string title, params ReadOnlySpan<string> columns)
    {
        var table = new Table { Title = Title(title), Border = TableBorder.Rounded };
        foreach (var column in columns)
        {
            var isNumber = column.StartsWith('#');
            table.AddColumn(
                new TableColumn(Cell(column.TrimStart('#'))) { Alignment = isNumber ? Justify.Right : Justify.Left, NoWrap = isNumber });
        }
        return table;
    }

    /// <summary>Writes a table; on a terminal too narrow for it without its last columns,
    /// and says so, since labels of one letter a line are worth nothing.</summary>
    /// <param name="mayDrop">How many columns, from the right, may be left out.</param>
    public static void Show(this IAnsiConsole console, Table table, int mayDrop)
    {
        int Width(IRenderable t) => t.Measure(RenderOptions.Create(console), WidthOfNoTerminal).Max;
        var (needed, dropped) = (Width(table), 0);
        for (; dropped < mayDrop && Width(table) > console.Profile.Width; dropped++) table = WithoutLastColumn(table);
        console.Write(table);
        if (dropped > 0)
        {
            console.Write(new Text($"{Count(dropped, "column")} left out: a terminal of {needed} characters, or a pipe, shows all\n"));
        }
    }

    /// <summary>Such as <c>1 node</c>, <c>1,000 nodes</c>.</summary>
    public static string Count(int count, string noun) => NumberText.Count(count, noun);

    public static void AddRow(this Table table, params ReadOnlySpan<string> cells)
    {
        var texts = new Text[cells.Length];
        for (var i = 0; i < texts.Length; i++) texts[i] = Cell(cells[i]);
        table.AddRow(texts.AsEnumerable());
    }

    private static Table WithoutLastColumn(Table table)
    {
        var narrower = new Table { Title = table.Title, Border = table.Border };
        foreach (var column in table.Columns.SkipLast(1)) narrower.AddColumn(column);
        foreach (var row in table.Rows) narrower.AddRow(row.SkipLast(1));
        return narrower;
    }

    /// <inheritdoc cref="NumberText.Of"/>
    public static string Number(double value) => NumberText.Of(value);

    /// <inheritdoc cref="NumberText.Percent"/>
    public static string Percent(double share) => NumberText.Percent(share);

    public static string Bytes(long bytes) => bytes switch
    {
        >= 1L << 30 => $"{bytes / (double)(1L << 30):0.0} GiB",
        >= 1L << 20 => $"{bytes / (double)(1L << 20):0.0} MiB",
        >= 1L << 10 => $"{bytes / (double)(1L << 10):0.0} KiB",
        _ => $"{bytes} B",
    };
}
