// Reads a run that `onnx-attribution graph` wrote, and asks it in SQL; needs `make demo` first, which makes runs/copyright:
//     dotnet run -c Release examples/read-a-run.cs runs/copyright
#:project ../src/OnnxAttribution/OnnxAttribution.csproj
#:property PublishAot=false
using OnnxAttribution.Store;

var stored = RunDirectory.Read(args[0]);
Console.WriteLine($"{stored.Nodes.Count(n => n.Kept)} kept nodes, {stored.Edges.Length} edges");

var query = new RunQuery([args[0]]);
using var result = query.Execute("""
    SELECT site, count(*) AS kept, round(sum(effect), 2) AS effect
    FROM nodes WHERE kept AND feature >= 0 GROUP BY site ORDER BY abs(sum(effect)) DESC LIMIT 3
    """);
result.WriteTable(Console.Out);
