using System.Numerics.Tensors;
using System.Text.Json.Nodes;
using OnnxAttribution.Model;
using OnnxAttribution.Runtime;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Model;

/// <summary>Hooks read and changed, against PyTorch in float64 and against what must be so.</summary>
public class HookInterventionsTests
{
    // float32 against float64, of logits of about 10
    private const float Tolerance = 2e-4f;

    public static TheoryData<string> Goldens => [.. GoldenCase.NamesWith("patching")];

    private static string Tiny => Path.Combine(Repository.Root, "models", "tiny");

    [Theory, MemberData(nameof(Goldens))]
    public void Edits_of_every_kind_of_hook_equal_those_of_pytorch(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory, name.StartsWith("tiny", StringComparison.Ordinal) ? Tiny : null);
        using var run = ActivationCache.Of(model, golden.Tokens);
        HookEdit[][] rows = [.. golden.Facts["edits"]!.AsArray().Select(r => r!.AsArray().Select(e => EditOf(e!)).ToArray())];
        var wanted = golden["edits"];
        var found = run.LogitsWith(rows, golden.Position);
        Assert.Equal(wanted.Length, found.Length);
        var vocabulary = wanted.Length / rows.Length;
        for (var i = 0; i < wanted.Length; i++)
        {
            Assert.True(Math.Abs(wanted[i] - found[i]) < Tolerance,
                $"{rows[i / vocabulary][0].Hook}: logit {i % vocabulary} is {found[i]}, not {wanted[i]}");
        }
    }

    [Theory, MemberData(nameof(Goldens))]
    public void Rows_do_not_depend_on_those_beside_them(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory, name.StartsWith("tiny", StringComparison.Ordinal) ? Tiny : null);
        using var run = ActivationCache.Of(model, golden.Tokens);
        HookEdit[][] rows = [.. golden.Facts["edits"]!.AsArray().Select(r => r!.AsArray().Select(e => EditOf(e!)).ToArray())];
        var together = run.LogitsWith(rows, golden.Position);
        for (var r = 0; r < rows.Length; r++)
        {
            var alone = run.LogitsWith([rows[r]], golden.Position);
            Assert.InRange(Difference(alone, together.AsSpan(r * alone.Length, alone.Length)), 0, 1e-4f);
        }
    }

    [Theory, MemberData(nameof(Goldens))]
    public void Every_hook_scaled_by_one_changes_nothing_and_set_to_a_half_changes_something(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory, name.StartsWith("tiny", StringComparison.Ordinal) ? Tiny : null);
        using var run = ActivationCache.Of(model, golden.Tokens);
        var clean = run.Logits(golden.Position).ToArray();
        Assert.Contains("blocks.1.ln1.hook_scale", model.ChangeableHooks());
        foreach (var hook in model.ChangeableHooks())
        {
            var logits = run.LogitsWith([[HookEdit.Scale(hook, 1)], [HookEdit.Set(hook, 0.5f)]], golden.Position);
            Assert.InRange(Difference(clean, logits.AsSpan(0, clean.Length)), 0, 1e-4f);
            Assert.True(Difference(clean, logits.AsSpan(clean.Length)) > 1e-3f, hook);
        }
    }

    [Fact]
    public void A_site_changed_as_a_hook_is_the_site_changed_in_a_loop()
    {
        using var model = LoadedModel.Open(Tiny, ["attn"], new RunContext());
        using var run = ActivationCache.Of(model, [4095, 10, 20, 30]);
        using var pass = run.Intervene();
        foreach (var stop in pass.From("1.attn"))
        {
            if (stop.Site.Layer == 1) stop.Value = [.. stop.Value.Select(x => 3 * x)];
        }
        var wanted = pass.Logits(3);
        Assert.InRange(Difference(wanted, run.LogitsWith([[HookEdit.Scale("1.attn", 3)]], 3)), 0, 1e-5f);
    }

    [Fact]
    public void All_of_the_stream_from_another_run_is_the_other_run()
    {
        using var model = LoadedModel.Open(Tiny, null, new RunContext());
        using var run = ActivationCache.Of(model, [4095, 10, 20, 30]);
        using var other = ActivationCache.Of(model, [4095, 11, 25, 37]);
        foreach (var hook in (string[])["0.resid", "2.resid", "blocks.3.hook_resid_post"])
        {
            var logits = run.LogitsWith([[HookEdit.Replace(hook, other.Hook(hook))]], 3);
            Assert.InRange(Difference(other.Logits(3), logits), 0, 1e-4f);
        }
    }

    [Theory, InlineData("llama2-patching"), InlineData("tiny-patching")]
    public void Values_and_pattern_together_are_what_heads_read(string name)
    {
        using var golden = GoldenCase.Open(name);
        using var directory = new TemporaryDirectory();
        using var model = golden.OpenModel(directory, name.StartsWith("tiny", StringComparison.Ordinal) ? Tiny : null);
        using var run = ActivationCache.Of(model, golden.Tokens);
        using var other = ActivationCache.Of(model, golden.PatchTokens!);
        HookEdit Of(string hook) => HookEdit.Replace(hook, other.Hook(hook));
        var logits = run.LogitsWith([[Of("1.z")], [Of("1.v"), Of("1.pattern")], [Of("1.q"), Of("1.k"), Of("1.v")]], golden.Position);
        var one = logits.Length / 3;
        Assert.True(Difference(run.Logits(golden.Position), logits.AsSpan(0, one)) > 1e-3f);
        Assert.InRange(Difference(logits.AsSpan(0, one), logits.AsSpan(one, one)), 0, 1e-4f);
        Assert.InRange(Difference(logits.AsSpan(0, one), logits.AsSpan(2 * one)), 0, 1e-4f);
    }

    [Fact]
    public void More_rows_than_memory_holds_come_one_after_the_other()
    {
        HookEdit[][] rows = [.. Enumerable.Range(0, 5).Select(i => (HookEdit[])[HookEdit.Scale("2.z", i) with { Head = i % 4 }])];
        float[] Logits(long memory)
        {
            using var model = LoadedModel.Open(Tiny, null, new RunContext(memoryBudget: memory));
            using var run = ActivationCache.Of(model, [4095, 10, 20, 30]);
            return run.LogitsWith(rows, 3);
        }
        Assert.InRange(Difference(Logits(1 << 30), Logits(1)), 0, 1e-4f);
    }

    [Fact]
    public void What_cannot_be_changed_is_said_in_a_line()
    {
        using var model = LoadedModel.Open(Tiny, null, new RunContext());
        using var run = ActivationCache.Of(model, [4095, 10, 20, 30]);
        void Refused(string words, HookEdit edit) =>
            Assert.Contains(words, Assert.Throws<AttributionException>(() => run.LogitsWith([[edit]], 3)).Message);
        Refused("blocks.0.attn.hook_result is no hook of it; its hooks that can be changed are blocks.L.hook_resid_pre",
            HookEdit.Scale("blocks.0.attn.hook_result", 0));
        Refused("blocks.9.attn.hook_q is no hook of it", HookEdit.Scale("9.q", 0));
        Refused("blocks.0.attn.hook_q has no head 4: its heads are 0 to 3", HookEdit.Scale("0.q", 0) with { Head = 4 });
        Refused("blocks.0.hook_resid_pre has no heads", HookEdit.Scale("0", 0) with { Head = 0 });
        Refused("position 4 of blocks.0.attn.hook_q is outside", HookEdit.Scale("0.q", 0) with { Position = 4 });
        Refused("blocks.0.attn.hook_q takes 1 number, 32 of a vector or 512 of [position, 4 heads, 32] of 4 positions, not 3",
            HookEdit.Add("0.q", new float[3]));
        Refused("cannot be made what is no number", HookEdit.Set("0.q", float.NaN));
    }

    private static HookEdit EditOf(JsonNode e)
    {
        var (hook, value) = ((string)e["hook"]!, (float)e["value"]!);
        var edit = (string)e["what"]! switch
        {
            "scale" => HookEdit.Scale(hook, value),
            "add" => HookEdit.Add(hook, new[] { value }),
            _ => HookEdit.Set(hook, value),
        };
        return edit with { Head = (int?)e["head"], Position = (int?)e["position"] };
    }

    private static float Difference(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var difference = new float[a.Length];
        TensorPrimitives.Subtract(a, b, difference);
        return Math.Abs(TensorPrimitives.MaxMagnitude<float>(difference));
    }
}
