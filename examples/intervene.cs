// Changes features in the middle of a forward pass, three interventions side by side, and reads the next token:
//     dotnet run -c Release examples/intervene.cs
#:project ../src/OnnxAttribution/OnnxAttribution.csproj
#:property PublishAot=false
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

using var model = LoadedModel.Open("models/tiny", ["resid"], new RunContext());
int[] tokens = [model.Tokenizer.BeginOfText!.Value, .. model.Tokenizer.Encode("Copyright (C")];
using var clean = ActivationCache.Of(model, tokens);                  // one forward pass
using var pass = clean.Intervene(rows: 3);                            // three interventions side by side
foreach (var site in pass.From("blocks.2.hook_resid_pre"))            // nothing before it is run again
{
    if (site.Site.Layer == 2) site.Zero(428, position: 2, row: 1);    // a feature of the current activation; its error stays
    if (site.Site.Name != "blocks.3.hook_resid_pre") continue;
    var x = site.Value;                                               // [3, T, d], a copy
    site.Scale(263, 0.5f, row: 2);                                    // at every position
}
var logits = pass.Logits(position: 3);                                // [3, vocabulary]; row 0 is the model as it is

model.Tokenizer.TryGetId(")", out var target);
foreach (var (row, what) in new[] { "as it is", "without 2:428", "with half of 3:263" }.Index())
{
    Console.WriteLine($"logit of ')' {what}: {logits[(row * model.VocabularySize) + target]:0.00}");
}
