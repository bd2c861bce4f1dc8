using OnnxAttribution.Tests.Cli;
using OnnxAttribution.View;

namespace OnnxAttribution.Tests.View;

/// <summary>Runs of models/tiny, made once by the command line.</summary>
public sealed class TinyRuns : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public TinyRuns()
    {
        Verb.Run("export", "--checkpoint", Repository.TinyModel, "--out", _directory["tiny"], "--no-check").Done();
        string[] prompt = ["--model", _directory["tiny"], "--prompt", "Copyright (C", "--target", ")"];
        Verb.Run(["graph", .. prompt, "--out", this["graph"]]).Done();
        Verb.Run(["graph", .. prompt, "--aggregate", "sum", "--sites", "resid,mlp", "--out", this["summed"]]).Done();
        Verb.Run(["ablate", .. prompt, "--sites", "resid", "--out", this["ablated"]]).Done();
    }

    public static TheoryData<string> Names => ["graph", "summed", "ablated"];

    internal string this[string run] => _directory[run];

    internal string Bundle => _directory["tiny"];

    internal RunPicture Picture(string run) => RunPicture.Read(this[run], new PictureLimits(150, 400));

    public void Dispose() => _directory.Dispose();
}
