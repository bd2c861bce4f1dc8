// Draws the graphs of many prompts into one dataset, and asks what their mean is.
// Run it from the repository's root after `make build`; what was written before is gone on with:
//     dotnet run -c Release examples/dataset.cs -- --out runs/dataset-from-csharp
#:project ../src/OnnxAttribution/OnnxAttribution.csproj
#:property PublishAot=false
using OnnxAttribution.Attribution;
using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

using var model = LoadedModel.Open("models/tiny", sites: null, new RunContext());
PromptTask[] prompts = [new("Copyright (C", Target: ")", Id: "round"), new("Copyright [C", Target: "]", Id: "square")];
var dataset = DatasetRun.Write(model, prompts, new GraphRequest(new GraphOptions()), args[^1], new DatasetRequest { Resume = true });
Console.WriteLine($"{dataset.State}, {dataset.Failures.Count} prompts without a graph");

// the mean, with its interval over prompts; nodes and edges are the prompts' own
using var rows = new RunQuery([dataset.Path]).Execute("""
    SELECT site, feature, round(effect, 2) AS effect, round(effect_low, 2) AS low, round(effect_high, 2) AS high
    FROM mean_nodes WHERE kept ORDER BY abs(effect) DESC LIMIT 3
    """);
rows.WriteTable(Console.Out);
