using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Patching;
using OnnxAttribution.Tests.Attribution;

namespace OnnxAttribution.Tests.Patching;

/// <summary>Activation patching against PyTorch in float64 and finite differences, and what must be so.</summary>
public sealed class PatchSweepTests
{
    // float32 against float64, of logits of about 10 and gradients of about 1
    private const double Tolerance = 2e-4;

    private static readonly PatchKind[] s_all = Enum.GetValues<PatchKind>();

    public static TheoryData<string, string> Cases
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var name in GoldenCase.NamesWith("patching"))
            {
                data.Add(name, "denoising");
                data.Add(name, "noising");
            }
            return data;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void Every_kind_of_activation_equals_that_of_pytorch(string name, string direction)
    {
        using var pair = new Pair(name, direction);
        var places = PatchPlaces.Of(pair.Model, s_all, pair.Golden.Tokens.Length, byPosition: true);
        var values = pair.Sweep.Run(places);
        Assert.Equal(pair.Golden[direction == "denoising" ? "corrupted" : "clean"][0], pair.Sweep.Base, Tolerance);
        pair.Equal("metric", places, values);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Attribution_patching_equals_that_of_pytorch(string name, string direction)
    {
        using var pair = new Pair(name, direction);
        var places = PatchPlaces.Of(pair.Model, s_all, pair.Golden.Tokens.Length, byPosition: true);
        pair.Equal("estimate", places, pair.Estimated(places));
    }

    [Theory, MemberData(nameof(Cases))]
    public void An_estimate_is_the_derivative_of_what_is_measured(string name, string direction)
    {
        using var pair = new Pair(name, direction);
        var places = PatchPlaces.Of(pair.Model, s_all, pair.Golden.Tokens.Length, byPosition: false);
        var estimates = pair.Estimated(places);
        const float step = 0.02f;
        foreach (var group in places.Index().GroupBy(p => p.Item.Hook))
        {
            var (from, to) = (pair.Patched.Hook(group.Key), pair.Source.Hook(group.Key));
            HookEdit Moved(float share, PatchPlace p) =>
                HookEdit.Replace(group.Key, from.Select((x, i) => x + (share * (to[i] - x))).ToArray()) with
                {
                    Head = p.Head,
                    Position = p.Position
                };
            HookEdit[][] rows = [.. group.SelectMany(p => (HookEdit[][])[[Moved(step, p.Item)], [Moved(-step, p.Item)]])];
            var values = pair.Metric.Evaluate(pair.Patched.LogitsWith(rows, pair.Metric.Position), rows.Length, []);
            foreach (var (row, (index, _)) in group.Index())
            {
                // central differences in float32: the metric's last digits over twice the step
                var difference = (values[2 * row] - values[(2 * row) + 1]) / (2 * step);
                Assert.Equal(estimates[index], difference, 2e-3 + (0.02 * Math.Abs(estimates[index])));
            }
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void What_lies_before_the_first_difference_changes_nothing_at_all(string name, string direction)
    {
        using var pair = new Pair(name, direction);
        var golden = pair.Golden;
        var first = Enumerable.Range(0, golden.Tokens.Length).First(t => golden.Tokens[t] != golden.PatchTokens![t]);
        var places = PatchPlaces.Of(pair.Model, s_all, golden.Tokens.Length, byPosition: true).Where(p => p.Position < first).ToList();
        Assert.NotEmpty(places);
        Assert.All(pair.Sweep.Run(places), value => Assert.Equal(pair.Sweep.Base, value));
        Assert.All(pair.Estimated(places), value => Assert.Equal(0, value));
    }

    [Fact]
    public void What_is_equal_in_both_runs_is_not_run()
    {
        using var pair = new Pair("tiny-patching", "denoising");
        _ = pair.Patched.Hook("0.q");
        var calls = pair.Model.Context.Calls;
        using var same = ActivationCache.Of(pair.Model, pair.Golden.PatchTokens!);
        var sweep = new PatchSweep(pair.Patched, same, pair.Metric, []);
        var before = pair.Model.Context.Calls;
        var places = PatchPlaces.Of(pair.Model, [PatchKind.Resid, PatchKind.Attn], pair.Golden.Tokens.Length, byPosition: false);
        Assert.All(sweep.Run(places), value => Assert.Equal(sweep.Base, value));
        Assert.Equal(before, pair.Model.Context.Calls);
        Assert.True(calls < before);
    }

    [Fact]
    public void Keys_and_values_have_as_many_heads_as_the_model_gives_them()
    {
        using var pair = new Pair("llama2-patching", "denoising");
        int Heads(PatchKind kind) => PatchPlaces.Of(pair.Model, [kind], 5, byPosition: false).Count(p => p.Layer == 0);
        PatchKind[] kinds = [PatchKind.Q, PatchKind.K, PatchKind.V, PatchKind.Pattern, PatchKind.Z];
        Assert.Equal([4, 2, 2, 4, 4], kinds.Select(Heads));
    }

    /// <summary>A golden case's two runs.</summary>
    private sealed class Pair : IDisposable
    {
        private readonly TemporaryDirectory _directory = new();
        private readonly string _direction;

        public Pair(string name, string direction)
        {
            (_direction, Golden) = (direction, GoldenCase.Open(name));
            Model = Golden.OpenModel(_directory, name.StartsWith("tiny", StringComparison.Ordinal) ? Repository.TinyModel : null);
            var (clean, corrupted) = (ActivationCache.Of(Model, Golden.Tokens), ActivationCache.Of(Model, Golden.PatchTokens!));
            (Patched, Source) = direction == "denoising" ? (corrupted, clean) : (clean, corrupted);
            Metric = new Metric(MetricKind.LogitDiff, Golden.Position, Golden.Target, Golden.Foil);
            Reference = clean.Logits(Golden.Position).ToArray();
            Sweep = new PatchSweep(Patched, Source, Metric, Reference);
        }

        public GoldenCase Golden { get; }
        public LoadedModel Model { get; }
        public ActivationCache Patched { get; }
        public ActivationCache Source { get; }
        public Metric Metric { get; }
        public PatchSweep Sweep { get; }
        private float[] Reference { get; }

        public double[] Estimated(IReadOnlyList<PatchPlace> places)
        {
            using var estimate = new PatchEstimate(Model, Metric.Kind, [.. places.Select(p => p.Hook).Distinct()]);
            return estimate.Of(Patched, Source, (Metric, Reference), places);
        }

        public void Equal(string what, IReadOnlyList<PatchPlace> places, double[] values)
        {
            foreach (var group in places.Index().GroupBy(p => (p.Item.What, ByPosition: p.Item is { Head: not null, Position: not null })))
            {
                var golden = Golden[$"{_direction}/{EnumName.Of(group.Key.What)}/{(group.Key.ByPosition ? "by-position/" : "")}{what}"];
                var found = group.Select(p => values[p.Index]).ToArray();
                Assert.Equal(golden.Length, found.Length);
                for (var i = 0; i < found.Length; i++)
                {
                    Assert.True(Math.Abs(golden[i] - found[i]) < Tolerance, $"{group.Key}, number {i}: {found[i]}, not {golden[i]}");
                }
            }
        }

        public void Dispose()
        {
            Patched.Dispose();
            Source.Dispose();
            Model.Dispose();
            Golden.Dispose();
            _directory.Dispose();
        }
    }
}
