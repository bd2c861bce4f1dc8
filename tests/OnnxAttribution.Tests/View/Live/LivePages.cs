using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Cli;
using OnnxAttribution.View;

namespace OnnxAttribution.Tests.View.Live;

/// <summary>A run of models/tiny as live pages, and what the library says of edits of its features.</summary>
public sealed class LivePages : IDisposable
{
    private const string Prompt = "Copyright (C";

    private readonly TemporaryDirectory _directory = new();
    private readonly RunPicture _picture;

    public LivePages()
    {
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompt", Prompt, "--target", ")", "--out", Run, "--no-page").Done();
        Verb.Run("view", Run, "--live", "--out", File).Done();
        Verb.Run("view", Run, "--live", "--out", _directory["folder"]).Done();
        Verb.Run("graph", "--model", Repository.TinyModel, "--prompt", Prompt, "--patch-prompt", "Copyright [C", "--target", ")", "--out",
            _directory["patched"], "--no-page").Done();
        Verb.Run("view", _directory["patched"], "--live", "--out", PatchedFile).Done();
        _picture = RunPicture.Read(Run);
        Patched = RunPicture.Read(_directory["patched"]);
    }

    public string Run => _directory["run"];

    public string File => _directory["live.html"];

    /// <summary>Of the same prompt against another.</summary>
    public string PatchedFile => _directory["patched.html"];

    internal RunPicture Patched { get; }

    public string Folder => Path.Combine(_directory["folder"], "index.html");

    internal LoadedModel Model { get; } = LoadedModel.Open(Repository.TinyModel, null, new RunContext());

    /// <summary>The i-th of the drawn features by the size of its exact effect, as the page numbers nodes.</summary>
    internal int Strongest(int i) => Enumerable.Range(0, _picture.Nodes.Count)
        .Where(n => _picture.Nodes[n] is { IsMetric: false, IsError: false } node && !float.IsNaN(node.ExactEffect))
        .OrderByDescending(n => Math.Abs(_picture.Nodes[n].ExactEffect)).ElementAt(i);

    internal PictureNode Node(int i) => _picture.Nodes[i];

    /// <summary>The logit of the target behind the last token, with edits: node, scale, offset, whether at all positions.</summary>
    internal double Metric((int Node, float Scale, float Offset, bool Everywhere)[] edits, string? prompt = null, RunPicture? of = null)
    {
        Assert.True(Model.Tokenizer.TryGetId(")", out var target));
        return Logits(edits, prompt, of)[target];
    }

    internal float[] Logits((int Node, float Scale, float Offset, bool Everywhere)[] edits, string? prompt, RunPicture? of = null)
    {
        using var clean = ActivationCache.Of(Model, Tokens(prompt));
        using var pass = clean.Intervene();
        foreach (var site in pass) Apply(site, edits, of ?? _picture);
        return pass.Logits(clean.Tokens.Count - 1);
    }

    /// <summary>Activations of every drawn feature by its name, without edits and with them, its own edit done.</summary>
    internal Dictionary<string, (double Before, double After)> Activations((int Node, float Scale, float Offset, bool Everywhere)[] edits)
    {
        using var clean = ActivationCache.Of(Model, Tokens(null));
        using var pass = clean.Intervene();
        var result = new Dictionary<string, (double, double)>();
        foreach (var site in pass)
        {
            var before = clean.Encode(site.Site);
            var after = Model.Encoder.Encode(Model.DictionaryOf(site.Site), site.Value, clean.Tokens.Count);
            foreach (var (i, n) in _picture.Nodes.Index().Where(n => n.Item.Site == site.Site && !n.Item.IsError))
            {
                var own = edits.Where(e => e.Node == i).ToArray();
                var then = after.ActivationOf(n.Position, n.Feature);
                result[n.Spelling] = (before.ActivationOf(n.Position, n.Feature), own is [var e] ? (e.Scale * then) + e.Offset : then);
            }
            Apply(site, edits, _picture);
        }
        return result;
    }

    private static void Apply(SiteStop site, (int Node, float Scale, float Offset, bool Everywhere)[] edits, RunPicture picture)
    {
        foreach (var (node, scale, offset, everywhere) in edits)
        {
            var n = picture.Nodes[node];
            if (n.Site != site.Site) continue;
            if (offset == 0) site.Scale(n.Feature, scale, everywhere ? null : n.Position);
            else site.Set(n.Feature, offset, everywhere ? null : n.Position);
        }
    }

    private int[] Tokens(string? prompt) => [Model.Tokenizer.BeginOfText!.Value, .. Model.Tokenizer.Encode(prompt ?? Prompt)];

    public void Dispose()
    {
        Model.Dispose();
        _directory.Dispose();
    }
}
