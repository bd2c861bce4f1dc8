using System.CommandLine;
using System.Text.Json.Nodes;
using OnnxAttribution.Cli.Options;
using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Store;

namespace OnnxAttribution.Cli.Verbs;

/// <summary>The verb <c>merge</c>: shards of one dataset that lie in several directories become one. It needs neither the model nor the
/// prompts, which <c>graph</c> would, so that any machine can gather.</summary>
internal sealed class MergeCommand
{
    private const string Description = """
        Bring the parts of one dataset together that 'graph --prompts --shard' wrote into several directories. What is missing then is
        computed by 'graph --prompts --resume'.

        Example: onnx-attribution merge shards/1 shards/2 shards/3 --out runs/dataset
        """;

    private readonly Argument<string[]> _sources = new("DATASET")
    {
        Description = "directories with parts of the same dataset",
        Arity = ArgumentArity.OneOrMore,
    };
    private readonly Option<string> _directory = OutputOptions.Directory("the dataset; one that is there already is added to");
    private readonly Option<bool> _json = OutputOptions.Json();

    public static Command Create() => new MergeCommand().Made();

    private Command Made()
    {
        var command = new Command("merge", Description) { _sources, _directory, _json };
        command.Checks(result => OptionLimits.NamesDirectory(result, _directory));
        command.Runs(Run);
        return command;
    }

    private int Run(ParseResult parsed, CancellationToken cancel)
    {
        var (directory, output) = (parsed.GetRequiredValue(_directory), parsed.InvocationConfiguration.Output);
        var merge = DatasetMerge.Of(parsed.GetRequiredValue(_sources), directory, cancel);
        if (parsed.GetValue(_json))
        {
            Screen.WriteJson(output, new JsonObject
            {
                ["dataset"] = directory,
                ["parts"] = merge.Parts,
                ["missing"] = new JsonArray([.. merge.Missing.Select(part => (JsonNode)part)]),
                ["copied_files"] = merge.Copied,
                ["has_mean"] = merge.HasMean,
            });
            return ExitCodes.Done;
        }
        output.WriteLine($"{directory}: {merge.Parts - merge.Missing.Count:N0} of {Screen.Count(merge.Parts, "part")}, "
            + $"{Screen.Count(merge.Copied, "file")} copied");
        if (merge.Missing.Count > 0)
        {
            output.WriteLine($"missing: {Screen.Count(merge.Missing.Count, "part")} ({string.Join(", ", merge.Missing.Take(8))}"
                + $"{(merge.Missing.Count > 8 ? ", …" : "")}); 'graph --prompts' with --resume computes them");
        }
        else if (!merge.HasMean)
        {
            output.WriteLine("mean: not yet; 'graph --prompts' with --resume goes on with it");
        }
        return ExitCodes.Done;
    }
}
