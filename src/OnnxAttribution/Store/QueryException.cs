using System.Text.RegularExpressions;
using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>A query that cannot be run. The message is one line: DuckDB's own words, or what this program refuses and why.</summary>
public sealed partial class QueryException : OnnxAttributionException
{
    private QueryException(string message, Exception? inner = null) : base(message, inner)
    {
    }

    internal static QueryException Failed(DuckDbException why, IReadOnlyList<DatasetFiles> datasets)
    {
        var name = UnknownTable().Match(why.Message) is { Success: true } match ? match.Groups["name"].Value.ToLowerInvariant() : "";
        if (name == FeatureViews.Name)
        {
            return new(FeatureViews.Missing, why) { Next = new NextStep(StepKind.CollectFeatures) };
        }
        if (name == FeatureViews.LabelsName)
        {
            return new(FeatureViews.MissingLabels, why) { Next = new NextStep(StepKind.ImportLabels) };
        }
        if (name is DatasetNames.MeanNodes or DatasetNames.MeanEdges && datasets.Count > 0) return NoMean(name, datasets, why);
        return FurtherTables.Step(name) is { } step
            ? new($"No run here has a table {name}. To make it, {step.Words}.", why) { Next = step }
            : new(why.Message, why);
    }

    internal static QueryException TooLarge(Exception? why = null) => new(
        $"The query needs more memory than it may have ({DuckDbDatabase.MostMemory} in DuckDB, "
            + $"{QueryWatch.MostMemory / (double)(1 << 30):0.#} GiB in all): "
        + "a text, a list, a group or a sort in it is too large. Ask for less at a time.", why);

    internal static QueryException TooLong(int seconds) => new(
        $"The query took longer than its timeout of {seconds} seconds: something in it is too large, or it needs more time. "
        + "Ask for less at a time, or give it longer.")
    {
        Settings = [Setting.Timeout]
    };

    internal static QueryException Empty() => new("The query is empty. Write a SELECT over the views nodes, edges and runs.");

    internal static QueryException NotASelect() =>
        new("A query only reads: SELECT, FROM, WITH, PIVOT, DESCRIBE, SUMMARIZE, SHOW and EXPLAIN of these. "
            + "Write one of them over the views nodes, edges and runs.");

    internal static QueryException Parameters() =>
        new("The query has parameters (? or $name), which get no values here. Write the values into it.");

    internal static QueryException Unwritable(string file, Exception why) =>
        new($"{file} cannot be written: {FileFault.Words(why, "choose a place that is writable and has room")}.", why);

    private static QueryException NoMean(string name, IReadOnlyList<DatasetFiles> datasets, Exception why) =>
        datasets.Select(set => set.FaultOfMean).OfType<RunDirectoryException>().FirstOrDefault() is { } fault
            ? new($"There is no {name}: {fault.Message}", fault)
            : new($"There is no {name}: the mean of {datasets[0].Name} is not there yet. Go on with the dataset until it is; "
                + "where no prompt has a graph, there is none.", why);

    [GeneratedRegex(@"^Catalog Error: Table with name (?<name>\w+) does not exist!")]
    private static partial Regex UnknownTable();
}
