using OnnxAttribution.Model;
using OnnxAttribution.Runs;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Tests.Model;

/// <summary>The pass of examples/intervene.cs: what it leaves as it is, and what it computes again.</summary>
public class DocumentedPassTests
{
    [Fact]
    public void The_documented_pass_leaves_row_0_alone_and_runs_nothing_before_its_first_site()
    {
        var (bundle, tokens) = (Repository.TinyModel, Tokens());
        var (logits, before, calls) = Documented(bundle, tokens);
        var vocabulary = logits.Length / 3;
        using var model = LoadedModel.Open(bundle, ["resid"], new RunContext());
        using var clean = ActivationCache.Of(model, tokens);
        // row 0 is the model as it is, up to float32; the others are not
        GoldenTests.Close([.. clean.Logits(3).ToArray().Select(v => (double)v)], logits[..vocabulary], 1e-5, "logits of row 0");
        Assert.True(Distance(logits, 0, 1, vocabulary) > 0.1 && Distance(logits, 0, 2, vocabulary) > 0.1
            && Distance(logits, 1, 2, vocabulary) > 0.1);
        // the first half is the clean run's, one call per site and one for the logits; behind it 6 sites and the logits again
        Assert.Equal((4 * 3) + 1, before);
        Assert.InRange(calls - before, 1, 12);
    }

    [Fact]
    public void What_is_missing_or_freed_is_told_as_that()
    {
        Assert.Equal("Prompt", Assert.Throws<ArgumentNullException>(() => new PromptTask(null!)).ParamName);
        Assert.Equal("context",
            Assert.Throws<ArgumentNullException>(() => LoadedModel.Open(Repository.TinyModel, null, null!)).ParamName);
        using var model = LoadedModel.Open(Repository.TinyModel, ["resid"], new RunContext());
        Assert.Equal("tokens", Assert.Throws<ArgumentNullException>(() => ActivationCache.Of(model, null!)).ParamName);
        Assert.Equal("task", Assert.Throws<ArgumentNullException>(() => GraphRun.Find(model, null!, new GraphRequest(new()))).ParamName);
        var clean = ActivationCache.Of(model, Tokens());
        using var begun = clean.Intervene();
        clean.Dispose();
        Assert.Throws<ObjectDisposedException>(() => clean.Intervene());
        Assert.Throws<ObjectDisposedException>(() => { _ = clean["blocks.0.hook_resid_pre"]; });
        Assert.Throws<ObjectDisposedException>(() => { _ = clean.Logits(0); });
        Assert.Throws<ObjectDisposedException>(() => begun.Logits(0));
    }

    private static (float[] Logits, int CallsBefore, int Calls) Documented(string bundle, int[] tokens)
    {
        using var model = LoadedModel.Open(bundle, ["resid"], new RunContext());
        using var clean = ActivationCache.Of(model, tokens);                         // one forward pass
        var before = model.Context.Calls;
        using var pass = clean.Intervene(rows: 3);                            // three interventions side by side
        foreach (var site in pass.From("blocks.2.hook_resid_pre"))            // nothing before it is run again
        {
            if (site.Site.Layer == 2) site.Zero(428, position: 2, row: 1);    // a feature of the current activation; its error stays
            if (site.Site.Name != "blocks.3.hook_resid_pre") continue;
            var x = site.Value;                                           // [3, T, d], a copy
            site.Scale(263, 0.5f, row: 2);                                    // at every position
        }
        var logits = pass.Logits(position: 3);                            // [3, vocabulary]; row 0 is the model as it is
        return (logits, before, model.Context.Calls);
    }

    // BOS, "Copyright", " (", "C"
    private static int[] Tokens()
    {
        using var golden = GoldenCase.Open("tiny-resid-zero");
        return golden.Tokens;
    }

    private static double Distance(float[] logits, int a, int b, int n) =>
        Enumerable.Range(0, n).Max(i => Math.Abs(logits[(a * n) + i] - logits[(b * n) + i]));
}
