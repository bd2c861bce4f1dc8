using OnnxAttribution.Files;

namespace OnnxAttribution.Store;

/// <summary>A run directory that cannot be written or read. The message is one sentence that names the path and the fix.</summary>
public sealed class RunDirectoryException : OnnxAttributionException
{
    private RunDirectoryException(string message, Exception? inner = null) : base(message, inner)
    {
    }

    internal static RunDirectoryException Exists(string path) =>
        new($"{path} exists already. Choose another directory, or ask for the run in it to be replaced.") { Settings = [Setting.Force] };

    internal static RunDirectoryException NotARun(string path, string why) =>
        new($"{path} is not replaced, even where that is asked for: {why}. Choose another directory, or remove it by hand.");

    internal static RunDirectoryException InARun(string path, string run) =>
        new($"{path} would lie in {run}, which is a run itself. Choose another directory.") { Settings = [Setting.Out] };

    internal static RunDirectoryException Busy(string path) =>
        new($"{path} is being written or added to by another program right now. Wait for it, or choose another directory.");

    internal static RunDirectoryException Unwritable(string path, Exception why) =>
        new($"{path} cannot be written: {FileFault.Words(why, "choose a directory that is writable and has room")}.", why);

    /// <summary>The run or what was added to it is written, the picture behind it is not: nothing has to be computed again.</summary>
    /// <summary>Refuses a separate circuit that a graph does not have.</summary>
    /// <param name="circuits">Which each node is in; 0: none.</param>
    /// <exception cref="RunDirectoryException">It is none of them.</exception>
    internal static void RequireCircuit(string run, int number, int[] circuits)
    {
        var all = circuits.Length == 0 ? 0 : circuits.Max();
        if (number < 1 || number > all) throw NoCircuit(run, number, all);
    }

    private static RunDirectoryException NoCircuit(string run, int number, int all) => new(all == 0
        ? $"{run} has no edge between nodes, so there are no separate circuits and no circuit {number}; name the run alone"
        : $"{run} has {(all == 1 ? "one separate circuit" : $"{all} separate circuits")}, "
            + $"and {number} is none of them; name one from 1 to {all}");

    internal static RunDirectoryException NoPage(string run, bool refresh, RunDirectoryException why) =>
        new($"{why.Message} {(refresh ? $"What was added to {run} stays" : $"The run in {run} is whole")}; "
            + "draw its page then.", why)
        {
            Next = new NextStep(refresh ? StepKind.DrawPageAnew : StepKind.DrawPage, run)
        };

    internal static RunDirectoryException ResultIsDirectory(string file, string example) =>
        new($"{file} is a directory, and the result is one file. Name a file, such as {Path.Combine(file, example)}.");

    internal static RunDirectoryException NoParquetName(string file) =>
        new($"{file} would hold Parquet, whatever its name says. Name it {Path.ChangeExtension(file, ".parquet")}.");

    internal static RunDirectoryException Missing(string file) => new(FileAt(file) is { } wrong
        ? $"{wrong} is a file, and a run is a directory. Name the directory that holds nodes.parquet, edges.parquet and run.json."
        : Step(file) is { } step
        ? $"{file} does not exist. To make it, {step.Words}."
        : Mend(file) is { } mend && mend.IsOfMean ? $"{file} does not exist. {mend.Words}"
        : $"{file} does not exist. Name the directory of a finished run: it holds nodes.parquet, edges.parquet and run.json.")
    {
        Next = FileAt(file) is null ? Step(file) : null
    };

    internal static RunDirectoryException OfMany(string directory, IReadOnlyList<string> runs) => new(
        $"{directory} is no run itself, it holds {runs.Count}: "
        + $"{string.Join(", ", runs.Take(8).Select(Path.GetFileName))}{(runs.Count > 8 ? ", …" : "")}. "
        + $"Name one of them, such as {runs[0]}.");

    internal static RunDirectoryException FileExists(string file) =>
        new($"{file} exists already. Choose another file, or ask for it to be replaced.") { Settings = [Setting.Force] };

    internal static RunDirectoryException GraphExists(string slug, string folder) =>
        new($"{folder} has a graph named {slug} already. Name this one otherwise, or ask for that to be replaced.")
        {
            Settings = [Setting.Slug, Setting.Force]
        };

    internal static RunDirectoryException NoGraphsName(string file) =>
        new($"{file} is the name of a list of graphs or of a run's record, and no graph has it. Name this one otherwise.")
        {
            Settings = [Setting.Slug]
        };

    internal static RunDirectoryException NoGraphList(string file, string why, Exception? inner = null) =>
        new($"{file} is no list of graphs that one could be added to: {why.TrimEnd('.', ' ')}. Move it away, or choose another folder.",
            inner);

    internal static RunDirectoryException NoFeatureFile(string file) =>
        new($"{file} is no file of a feature and would be lost with the graph that is replaced. Move it away, or choose another folder.");

    internal static RunDirectoryException ProtectedFile(string file, string whole) =>
        new($"{file} is a part of its {whole} and is never replaced by something else. Choose another file.");

    internal static RunDirectoryException FileMissing(string file) => new($"{file} does not exist. Name a Parquet file that does.");

    internal static RunDirectoryException Unchangeable(string run, Exception why) =>
        new($"{run} cannot be added to: {FileFault.Words(why, "make it writable and see that the disk has room, or work on a copy")}. "
            + "The run is whole.", why);

    internal static RunDirectoryException Replaced(string run) =>
        new($"{run} is another run than it was when this began, and nothing was added to it. "
            + "Give the command again, for the run that is there now.");

    internal static RunDirectoryException DatasetExists(string path) =>
        new($"{path} holds a dataset already. Choose another directory, or ask to go on with that one.") { Settings = [Setting.Resume] };

    internal static RunDirectoryException IsDataset(string path) =>
        new($"{path} is a dataset, which holds no run directories. Choose another directory.") { Settings = [Setting.Out] };

    internal static RunDirectoryException InADataset(string path, string dataset) =>
        new($"{path} would lie in {dataset}, which is a dataset. Choose another directory.") { Settings = [Setting.Out] };

    internal static RunDirectoryException DamagedPart(string file, Exception why) =>
        new($"{file} is missing or damaged. Go on with the dataset: that writes its part again.", why);

    internal static RunDirectoryException OfDataset(string path) => new($"{path} is a dataset of many prompts' graphs without their "
        + "mean. Go on with it until the mean is there, or ask it in SQL.");

    internal static RunDirectoryException IsNoDataset(string path) =>
        new($"{path} is no dataset{(Path.Exists(path) ? $", since it has no {RunNames.DatasetFile}" : ": it does not exist")}. "
            + "Name the directory of a dataset, which the graphs of many prompts are written to.");

    internal static RunDirectoryException NoDataset(string path) =>
        new($"{path} holds something else than a dataset. Choose another directory.") { Settings = [Setting.Out] };

    internal static RunDirectoryException OtherPrompts(string file) =>
        new($"{file} holds other prompts than the template makes, and would be lost. Move it away, or choose another directory.")
        {
            Settings = [Setting.Out]
        };

    internal static RunDirectoryException NoPatching(string path, string record)
    {
        var step = new NextStep(StepKind.PatchActivations);
        return new($"{path} holds no activation patching: it has no {record}. To make some, {step.Words}.") { Next = step };
    }

    internal static RunDirectoryException Foreign(string path, string what) =>
        new($"{path} holds something else than {what}, and is not replaced. Choose another directory.") { Settings = [Setting.Out] };

    internal static RunDirectoryException Exists(string path, string what) =>
        new($"{path} holds {what} already. Choose another directory, or ask for it to be replaced.") { Settings = [Setting.Force] };

    internal static RunDirectoryException OtherDataset(string file, string key, string there, string asked) =>
        new($"{file} was asked for {key} {Shown(there)}, and this asks for {Shown(asked)}. Ask for the same, or choose another directory.");

    internal static RunDirectoryException OtherDatasets(string one, string other, (string Key, string One, string Other) differ) =>
        new($"{one} was asked for {differ.Key} {Shown(differ.One)}, and {other} for {Shown(differ.Other)}. "
            + "Merge what was asked for the same.");

    internal static RunDirectoryException DifferentParts(string one, string other) =>
        new($"{one} and {other} differ, and should be the same. Remove the one that is wrong, or leave its dataset out.");

    internal static RunDirectoryException NoLens(string path) =>
        new($"{path} is no directory of a lens{(Directory.Exists(path) ? ": it has no lens.json" : "")}. To make one, "
            + $"{new NextStep(StepKind.ReadLens).Words}.")
        {
            Next = new NextStep(StepKind.ReadLens)
        };

    internal static RunDirectoryException NoParts(string path) =>
        new($"{path} is a dataset without a whole part. Go on with it until there is one.");

    internal static RunDirectoryException NoRuns(string path) => new(
        $"{path} holds no run. Name the directory of a finished run (with nodes.parquet, edges.parquet and run.json), "
        + "or one whose subdirectories are runs.");

    internal static RunDirectoryException Corrupt(string file, string why, Exception? inner = null) =>
        new($"{file} is damaged: {why.TrimEnd('.', ' ')}. "
            + (Step(file) is { } step ? $"To make it again, {Aside(step)}{step.Words}."
                : Mend(file)?.Words ?? "Write the run again."), inner)
        {
            Next = Step(file)
        };

    /// <summary>DuckDB could not make sense of a Parquet file, and its own words come last; or it got no memory for that.</summary>
    internal static RunDirectoryException Corrupt(string file, DuckDbException why) => why.IsOutOfMemory
        ? Unreadable(file, new OutOfMemoryException(why.Message, why))
        : Corrupt(file,
            $"its Parquet data cannot be read (DuckDB says: {why.Message.Replace(file, Path.GetFileName(file)).TrimEnd('.', ' ')})", why);

    internal static RunDirectoryException Unreadable(string file, Exception why) =>
        new($"{file} cannot be read: {FileFault.Words(why, "check the path")}.", why);

    // scores are added to those that are there, which must be readable for that
    private static string Aside(NextStep step) => step.Kind == StepKind.SplitScore ? "remove it and " : "";

    // how a file of a dataset is made anew; null: it is none's
    private static (bool IsOfMean, string Words)? Mend(string file)
    {
        var folder = Path.GetDirectoryName(file);
        var dataset = Path.GetDirectoryName(folder);
        bool Is(string path) => File.Exists(Path.Combine(path, RunNames.DatasetFile));
        if (dataset is not null && !Is(dataset) && Path.GetFileName(dataset) == RunNames.Sums) dataset = Path.GetDirectoryName(dataset);
        if (dataset is null || !Is(dataset)) return null;
        return Path.GetFileName(folder) == RunNames.Mean
            ? (true, $"Remove {folder} and go on with the dataset: its prompts are run again, and the mean is made of them.")
            : (false, "Remove it and go on with the dataset: that writes its part again.");
    }

    // what was named as a run, or a part of it
    private static string? FileAt(string path) =>
        File.Exists(path) ? path : Path.GetDirectoryName(path) is { } above && File.Exists(above) ? above : null;

    /// <summary>What makes the file, where it is one that not every run has.</summary>
    private static NextStep? Step(string file) =>
        Path.GetFileName(file) == RunNames.FeaturesFile ? new NextStep(StepKind.CollectFeaturesAnew, Path.GetDirectoryName(file))
            : Path.GetExtension(file) == ".parquet" ? FurtherTables.Step(Path.GetFileNameWithoutExtension(file)) : null;

    private static string Shown(string value) => DisplayText.QuotedStart(value, 80);
}
