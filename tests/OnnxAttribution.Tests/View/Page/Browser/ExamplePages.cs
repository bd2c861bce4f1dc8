using System.Text;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.View;
using OnnxAttribution.View.Page;

namespace OnnxAttribution.Tests.View.Page.Browser;

/// <summary>Pages of runs of models/tiny, with dashboards made up so that it is known what they say.</summary>
public sealed class ExamplePages : IDisposable
{
    public const string Dictionary = "gpt2-small/0-res-jb";

    private readonly TemporaryDirectory _directory = new();

    public ExamplePages()
    {
        string[] graph = ["graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--target", ")", "--no-page"];
        Verb.Run([.. graph, "--out", Run]).Done();
        Verb.Run("validate", Run, "--sample", "40").Done();
        Verb.Run("validate", Run, "--bound", "20").Done();
        Verb.Run([.. graph, "--aggregate", "sum", "--out", _directory["summed"]]).Done();
        Verb.Run("ablate", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--target", ")", "--sites", "resid",
            "--out", _directory["ablated"], "--no-page").Done();
        // of a token that the model does not say, against the one that it says; and of one alone
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--target", "O", "--foil", ")",
            "--metric", "logit-diff", "--out", _directory["other"], "--sites", "resid", "--no-page").Done();
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompt", "Copyright (C", "--target", " CON", "--out", _directory["alone"],
            "--sites", "resid", "--no-page").Done();
        Verb.Run([.. graph, "--heads", "--sites", "resid", "--out", _directory["heads"]]).Done();
        Verb.Run("heads", _directory["heads"], "--head", "2.1", "--query", "3", "--key", "1").Done();
        HeadsPicture = RunPicture.Read(_directory["heads"]);
        Heads = Write("heads.html", HeadsPicture, []);
        Picture = RunPicture.Read(Run);
        File = Write("copyright.html", Picture, Cards(Picture));
        Summed = Write("summed.html", RunPicture.Read(_directory["summed"]), []);
        Other = Write("other.html", RunPicture.Read(_directory["other"]), []);
        Alone = Write("alone.html", RunPicture.Read(_directory["alone"]), []);
        Ablated = Write("ablated.html", RunPicture.Read(_directory["ablated"]), []);
    }

    /// <summary>The validated run behind <see cref="File"/>.</summary>
    public string Run => _directory["copyright"];

    internal RunPicture Picture { get; }

    /// <summary>Of a run whose edges are split by heads, and one of whose scores is split into pairs.</summary>
    public string Heads { get; }
    internal RunPicture HeadsPicture { get; }

    public string File { get; }
    public string Summed { get; }
    public string Ablated { get; }

    /// <summary>Target <c>O</c> over <c>)</c>, which is the model's top token; and target <c> CON</c>.</summary>
    public string Other { get; }
    public string Alone { get; }

    internal static string Promoted(int feature) => $" promoted-{feature}";

    internal static Dictionary<(string, int), FeatureDashboard> Cards(RunPicture picture) =>
        picture.Nodes.Where(n => n is { IsMetric: false, IsError: false }).DistinctBy(n => (n.Site, n.Feature))
            .ToDictionary(n => (n.Site!.Name, n.Feature),
                n => new FeatureDashboard(n.Site!.Name, n.Feature, 0.0125, 1.5f, 20, [50, 20, 3, 1],
                    [new(0, 2, ["The", " quick", $" peak-{n.Feature}", "\n"], [0, 0.5f, 19, 0]), new(1, 0, ["lower", " down"], [4, 0])],
                    [new(Promoted(n.Feature), 1.25f), new(")", 0.5f)], [new($" suppressed-{n.Feature}", -2)], [new(n.Feature + 1, 0.75f)]));

    internal string Write(string name, RunPicture picture, Dictionary<(string, int), FeatureDashboard> cards)
    {
        var file = _directory[name];
        using var writer = new StreamWriter(file, append: false, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
        GraphPage.Write(picture, FeatureDetails.With(new DashboardCards(cards, null)), file, writer);
        return file;
    }

    public void Dispose() => _directory.Dispose();
}
