using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Hub;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What was fetched, or would be, and the command that comes next.</summary>
internal static class FetchReport
{
    /// <summary>A file that came whole.</summary>
    public static string Line(FetchedFile file) => $"fetched {file.Place}, {Size(file.Size)}, "
        + (file.CheckedBy is { } kind ? $"{kind} right" : "not checked: the hub gives no checksum");

    public static void PrintList(TextWriter output, FetchRequest request, FetchResult result)
    {
        var table = Screen.Table($"Files for {request.Out}", "file", "repository", "#size", "state");
        foreach (var file in result.Files) table.AddRow(file.Place, file.Repository, Size(file.Size), State(file));
        Screen.On(output).Show(table, mayDrop: 2);
        var missing = result.Files.Where(f => !f.WasThere).ToList();
        output.WriteLine($"{Screen.Count(result.Files.Count, "file")}, {Total(result.Files)}; {missing.Count:N0} of them, "
            + $"{Screen.Bytes(missing.Sum(f => Math.Max(0, (f.Size ?? 0) - f.Had)))}, would be fetched into {request.Out}");
    }

    public static void Print(TextWriter output, FetchRequest request, FetchResult result)
    {
        foreach (var repository in result.Repositories) output.WriteLine($"{repository.Name} at commit {repository.Commit}");
        output.WriteLine($"{Screen.Count(result.Files.Count, "file")}, {Total(result.Files)}, in {request.Out} "
            + $"({result.Files.Count(f => !f.WasThere):N0} fetched now)");
        var folders = result.Repositories.Where(r => r.Folder.Length > 0).Select(r => string.Join('/', r.Folder.Split('/')[..2]))
            .Distinct().ToList();
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(request.Out)));
        var dictionaries = folders.Select(f => $" --dictionaries {VerbAction.Quoted($"{request.Out.TrimEnd('/')}/{f}")}");
        output.WriteLine($"next: onnx-attribution export --checkpoint {VerbAction.Quoted(request.Out)}{string.Concat(dictionaries)} --out "
            + VerbAction.Quoted($"models/{name}{(folders is [var only] ? $"-{only.Split('/')[^1]}" : "")}"));
    }

    public static JsonObject ToJson(FetchRequest request, FetchResult result) => new()
    {
        ["out"] = request.Out,
        ["repositories"] = new JsonArray([.. result.Repositories.Select(r => new JsonObject
        {
            ["name"] = r.Name,
            ["revision"] = r.Revision,
            ["commit"] = r.Commit,
            ["release"] = r.Release,
            ["folder"] = r.Folder,
        })]),
        ["files"] = new JsonArray([.. result.Files.Select(f => new JsonObject
        {
            ["path"] = f.Place,
            ["repository"] = f.Repository,
            ["bytes"] = f.Size,
            ["had"] = f.Had,
            ["was_there"] = f.WasThere,
            ["checked_by"] = f.CheckedBy,
        })]),
    };

    private static string State(FetchedFile file) => file.WasThere ? "there" : file.Had > 0 ? $"{Screen.Bytes(file.Had)} there" : "missing";

    private static string Size(long? bytes) => bytes is { } known ? Screen.Bytes(known) : "size not known";

    private static string Total(IReadOnlyList<FetchedFile> files) => Screen.Bytes(files.Sum(f => f.Size ?? 0));
}
