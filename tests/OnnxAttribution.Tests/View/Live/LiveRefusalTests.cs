using OnnxAttribution.Cli.Terminal;
using OnnxAttribution.Tests.Cli;

namespace OnnxAttribution.Tests.View.Live;

/// <summary>Runs of which no live page can be made, and places where none can be written.</summary>
public sealed class LiveRefusalTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_mean_has_no_prompt_to_run()
    {
        File.WriteAllText(_directory["p.jsonl"], "{\"prompt\": \"Copyright (C\"}\n{\"prompt\": \"Copyright (c\"}\n");
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompts", _directory["p.jsonl"], "--sites", "resid", "--out",
            _directory["data"]).Done();
        Verb.Run("view", _directory["data"], "--live").Failed(ExitCodes.Failed, "is of many prompts");
    }

    [Fact]
    public void The_bundle_has_to_be_there()
    {
        Copy(Repository.TinyModel, _directory["model"]);
        Graph(_directory["model"]);
        Directory.Move(_directory["model"], _directory["moved"]);
        Verb.Run("view", _directory["run"], "--live").Failed(ExitCodes.Failed, "name the run's bundle (--model)");
        Verb.Run("view", _directory["run"], "--live", "--model", _directory["moved"]).Done();
        Assert.True(File.Exists(Path.Combine(_directory["run"], "live.html")));
    }

    [Fact]
    public void A_folder_of_other_things_is_left_alone_and_a_live_page_replaced_on_request()
    {
        Graph(Repository.TinyModel);
        Directory.CreateDirectory(_directory["full"]);
        File.WriteAllText(Path.Combine(_directory["full"], "notes.txt"), "mine");
        Verb.Run("view", _directory["run"], "--live", "--out", _directory["full"], "--force")
            .Failed(ExitCodes.Failed, "it holds other files than a live page");
        Assert.Equal("mine", File.ReadAllText(Path.Combine(_directory["full"], "notes.txt")));
        Verb.Run("view", _directory["run"], "--live", "--out", _directory["page"]).Done();
        Verb.Run("view", _directory["run"], "--live", "--out", _directory["page"]).Failed(ExitCodes.Failed, "exists already");
        Verb.Run("view", _directory["run"], "--live", "--out", _directory["page"], "--force").Done();
    }

    [Theory, InlineData("--format", "svg"), InlineData("--figure", "effects")]
    public void It_is_a_page(string option, string value)
    {
        Graph(Repository.TinyModel);
        Verb.Run("view", _directory["run"], "--live", option, value).Failed(ExitCodes.WrongUsage, "--live is about the page");
    }

    private static void Copy(string from, string to)
    {
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    private void Graph(string model) =>
        Verb.Run("graph", "--model", model, "--prompt", "Copyright (C", "--sites", "resid", "--out", _directory["run"], "--no-page").Done();
}
