// Opens a bundle, draws the graph of one prompt, reads its nodes and edges, and writes a run.
// Run it from the repository's root after `make build`:
//     dotnet run -c Release examples/graph.cs -- --out runs/from-csharp
#:project ../src/OnnxAttribution/OnnxAttribution.csproj
#:property PublishAot=false
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Texts;

// a bundle's directory; all sites that have a dictionary; the CPU with as many threads as it has cores
using var model = LoadedModel.Open("models/tiny", sites: null, new RunContext());
var run = GraphRun.Find(model, new PromptTask("Copyright (C", Target: ")"), new GraphRequest(new GraphOptions()));

Console.WriteLine("strongest nodes");
foreach (var node in run.Graph.Nodes.Where(n => n.Kept).OrderByDescending(n => Math.Abs(n.Effect)).Take(5))
{
    Console.WriteLine($"{node.Site.Name} {node.Feature} at {run.TextAt(node.Position)}: {node.Effect:0.000}");
}

Console.WriteLine("what the strongest node drives");
var nodes = run.Graph.Nodes;
var strongest = Enumerable.Range(0, nodes.Count).MaxBy(i => Math.Abs(nodes[i].Effect));
foreach (var edge in run.Graph.Edges.Where(e => e.Up == strongest).OrderByDescending(e => Math.Abs(e.Effect)).Take(3))
{
    var down = edge.Down == CausalEdge.Metric ? "the metric" : $"{nodes[edge.Down].Site.Name} {nodes[edge.Down].Feature}";
    Console.WriteLine($"{down}: {edge.Effect:0.000}");
}

// the run directory, with what is in memory: whole or not at all
if (args is ["--out", var path]) run.Write(path);
