using System.Globalization;
using System.Numerics.Tensors;
using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dictionaries;
using OnnxAttribution.Model;

namespace OnnxAttribution.Curves;

/// <summary>
/// The response curve of one downstream feature to one upstream feature.
/// 1. The clean run. Both sites are expanded by their dictionaries.
/// 2. x_U[p] += (c − 1) · f_up(p) · decoder row, at every position (or the one named), a batch row per coefficient;
///    the model is run on to the downstream site and encoded there.
/// 3. The gradient's line from the edges between the two features,
///    on the graph cut at these two sites alone, where the direct Jacobian is the whole one.
/// 4. Kinks: where the downstream feature switches, where attention on the way does, and those that neither explains.
/// </summary>
/// <remarks>Dose-response curves of single features; the gradient's line is attribution
/// patching's answer (Marks et al. 2024, App. A.1).</remarks>
internal static class CurveFinder
{
    private const int Named = 5;

    /// <summary>Measures the curve in one prompt.</summary>
    /// <param name="model">Opened with the two sites and no other.</param>
    /// <param name="tokens">Token ids, BOS included where one is wanted.</param>
    /// <param name="up">At its position, or at every one; it must be active in the clean run.</param>
    /// <param name="down">Read at every position.</param>
    /// <param name="coefficients">Ascending; 0 takes the feature away, 1 is the clean run.</param>
    /// <exception cref="ArgumentException">Coefficients are not ascending, or the model was opened with other sites.</exception>
    /// <exception cref="AttributionException">There is no such feature or position,
    /// the upstream one is not active on the prompt, the downstream one never is, or it does not lie downstream.</exception>
    /// <exception cref="BundleException">There is no such site.</exception>
    /// <exception cref="OperationCanceledException">The model's context was cancelled.</exception>
    public static ResponseCurve Find(LoadedModel model, int[] tokens, FeatureName up, FeatureName down, IReadOnlyList<double> coefficients)
    {
        RequireAscending(coefficients);
        var calls = model.Context.Calls;
        model.RequireTokens(tokens);
        var (from, to) = (model.Bundle.SiteNamed(up.Site), model.Bundle.SiteNamed(down.Site));
        RequireFeature(model, from, up);
        RequireFeature(model, to, down);
        RequireDownstream(model, from, to);
        RequirePosition(up, tokens.Length);

        using var clean = ActivationCache.Of(model, tokens);
        var ends = new CurveEnds(State(model, from, clean), State(model, to, clean), up, down);
        RequireActive(ends);
        var (activation, watch) = Scale(clean, ends, coefficients);
        RequireResponse(ends, activation);
        return new ResponseCurve
        {
            Up = up with { Site = from.Name },
            Down = down with { Site = to.Name },
            Tokens = tokens,
            Coefficients = coefficients,
            Scaled = ends.Scaled,
            Activation = activation,
            Clean = ends.Clean,
            Slope = Slope(clean, ends),
            Kinks = [.. Enumerable.Range(0, tokens.Length)
                .SelectMany(q => KinkFinder.Find(q, coefficients, [.. activation.Select(a => a[q])], watch.SwitchesFor(q)))],
            RuntimeCalls = model.Context.Calls - calls,
        };
    }

    /// <summary>The two features in the clean run.</summary>
    private sealed class CurveEnds(SiteEffects upstream, SiteEffects downstream, FeatureName up, FeatureName down)
    {
        public SiteEffects Upstream => upstream;
        public SiteEffects Downstream => downstream;
        public FeatureName Up => up;
        public FeatureName Down => down;

        /// <summary>[T], activation of the upstream feature where it is scaled; 0 elsewhere.</summary>
        public float[] Scaled { get; } = [.. Enumerable.Range(0, upstream.CleanEncoding.Positions)
            .Select(p => up.Position is null || up.Position == p ? upstream.CleanEncoding.ActivationOf(p, up.Feature) : 0)];

        /// <summary>[T], activation of the downstream feature.</summary>
        public float[] Clean { get; } = [.. Enumerable.Range(0, downstream.CleanEncoding.Positions)
            .Select(q => downstream.CleanEncoding.ActivationOf(q, down.Feature))];
    }

    // [C][T], activation of the downstream feature, and what attention does meanwhile
    private static (List<float[]> Activation, AttentionWatch Watch) Scale(ActivationCache clean, CurveEnds ends,
        IReadOnlyList<double> coefficients)
    {
        var (positions, dictionary) = (clean.Tokens.Count, ends.Downstream.Dictionary!);
        var activation = new List<float[]>(coefficients.Count);
        using var runs = new ScaledRuns(clean.Model, ends.Upstream.Site, ends.Downstream.Site, clean);
        var watch = new AttentionWatch(runs.Layers, positions);
        runs.ForEach(coefficients, Direction(ends), (first, rows, values, patterns) =>
        {
            var active = clean.Model.Encoder.Active(dictionary, values);
            for (var r = 0; r < rows; r++)
            {
                activation.Add(coefficients[first + r] == 1
                    ? ends.Clean
                    : [.. Enumerable.Range(r * positions, positions).Select(row => active.At(row, ends.Down.Feature))]);
            }
            for (var l = 0; l < runs.Layers.Count; l++)
            {
                var pattern = patterns(l);
                for (var r = 0; r < rows; r++)
                {
                    watch.See(first + r, l, pattern.Span.Slice(r * (pattern.Length / rows), pattern.Length / rows));
                }
            }
        });
        return (activation, watch);
    }

    // [T, d]: what a coefficient of 2 adds
    private static float[] Direction(CurveEnds ends)
    {
        var site = ends.Upstream;
        var direction = new float[site.Clean.Length];
        for (var p = 0; p < ends.Scaled.Length; p++)
        {
            if (ends.Scaled[p] == 0) continue;
            var row = direction.AsSpan(p * site.Width, site.Width);
            site.DecoderRow(p, ends.Up.Feature, row);
            TensorPrimitives.Multiply(row, ends.Scaled[p], row);
        }
        return direction;
    }

    // Σ_p ∂f_down(q)/∂f_up(p) · f_up(p), per q
    private static float[] Slope(ActivationCache clean, CurveEnds ends)
    {
        var nodes = new List<CausalNode>();
        void AddNodes(SiteEffects site, int feature, float[] activation)
        {
            site.FirstNode = nodes.Count;
            for (var t = 0; t < activation.Length; t++)
            {
                if (activation[t] == 0) continue;
                site.Nodes.Add((t, feature));
                nodes.Add(new CausalNode(site.Site, t, feature, activation[t], 0, 1, 0) { Kept = true });
            }
        }
        AddNodes(ends.Upstream, ends.Up.Feature, ends.Scaled);
        AddNodes(ends.Downstream, ends.Down.Feature, ends.Clean);
        var edges = new List<CausalEdge>();
        new EdgeFinder(clean.Model, [ends.Upstream, ends.Downstream], nodes, [.. clean.Tokens], Estimator.Gradient).Find(edges.Add);
        var slope = new float[clean.Tokens.Count];
        foreach (var e in edges) slope[nodes[e.Down].Position] += e.Jacobian * nodes[e.Up].Activation;
        return slope;
    }

    private static SiteEffects State(LoadedModel model, Site site, ActivationCache clean)
    {
        var x = clean[site.Name].ToArray();
        var selected = model.SelectedSite(site)!;
        // neither gradient nor error is asked for: no node of these sites is an error node
        return new SiteEffects(selected)
        {
            Clean = x,
            CleanEncoding = model.Encoder.Encode(selected.Dictionary, x, clean.Tokens.Count),
            Gradient = new float[x.Length],
            ErrorChange = new float[x.Length],
        };
    }

    private static void RequireAscending(IReadOnlyList<double> coefficients)
    {
        if (coefficients.Count == 0 || !coefficients.All(double.IsFinite)
            || Enumerable.Range(1, coefficients.Count - 1).Any(i => coefficients[i] <= coefficients[i - 1]))
        {
            throw new ArgumentException("coefficients are finite numbers, each above the one before, and at least one",
                nameof(coefficients));
        }
    }

    private static void RequireFeature(LoadedModel model, Site site, FeatureName name)
    {
        if (!model.Bundle.HasDictionary(site))
        {
            var with = model.Bundle.Sites.Where(model.Bundle.HasDictionary);
            throw new AttributionException(
                $"{site} has no dictionary, so it has no feature {name.Feature}; sites that have one: {string.Join(", ", with)}");
        }
        var dictionary = model.DictionaryOf(site)
            ?? throw new ArgumentException($"the model was opened without {site}; open it with the curve's two sites", nameof(model));
        if (name.Feature >= dictionary.FeatureCount)
        {
            throw new AttributionException($"{site} has no feature {name.Feature}; its features are 0 to {dictionary.FeatureCount - 1}");
        }
    }

    private static void RequireDownstream(LoadedModel model, Site up, Site down)
    {
        if (up == down) throw new AttributionException($"both features are of {up}; take the downstream one from a later site");
        if (model.Selected.Count != 2)
        {
            throw new ArgumentException("the model was opened with other sites; open it with the curve's two", nameof(model));
        }
        if (GradientGraphs.Of(model)
            .Segment(model.Selected[0] == down ? 0 : 1, Estimator.Gradient)?.Segment.Parents.Any(p => p.Value.Name == up.Name) == true)
        {
            return;
        }
        throw new AttributionException($"{down} does not lie downstream of {up}: nothing that happens at {up} can reach it; "
            + "take the downstream feature from a later site, or swap the two");
    }

    private static void RequirePosition(FeatureName up, int tokens)
    {
        if (up.Position is { } only && only >= tokens)
        {
            throw new AttributionException(
                $"the upstream feature is to be scaled at position {only} (@{only}), and the prompt's tokens are 0 to {tokens - 1}");
        }
    }

    private static void RequireActive(CurveEnds ends)
    {
        if (ends.Scaled.Any(f => f != 0)) return;
        var (up, site, encoding) = (ends.Up, ends.Upstream.Site, ends.Upstream.CleanEncoding);
        var elsewhere = Enumerable.Range(0, encoding.Positions).Where(p => encoding.ActivationOf(p, up.Feature) != 0).ToList();
        throw new AttributionException(up.Position is { } position && elsewhere.Count > 0
            ? $"feature {up.Feature} of {site} is not active at position {position}, only at {string.Join(", ", elsewhere)}; "
                + $"name one of these, or leave @{position} out"
            : $"feature {up.Feature} of {site} is not active on this prompt, so there is nothing to scale; "
                + $"active there are {Strongest(encoding, p => up.Position is null || p == up.Position)}");
    }

    private static void RequireResponse(CurveEnds ends, List<float[]> activation)
    {
        if (activation.Append(ends.Clean).Any(a => a.Any(f => f != 0))) return;
        throw new AttributionException(
            $"feature {ends.Down.Feature} of {ends.Downstream.Site.Name} is not active on this prompt, whatever the coefficient; "
            + $"active there are {Strongest(ends.Downstream.CleanEncoding, _ => true)}");
    }

    // such as 12@5 (3.2), 7@5 (2.9) and 40 more, strongest first, each feature where it is strongest
    private static string Strongest(SparseEncoding encoding, Func<int, bool> at)
    {
        var active = Enumerable.Range(0, encoding.Positions)
            .Where(at)
            .SelectMany(p => encoding.Features[p].Select((f, i) => (Feature: f, Position: p, Activation: encoding.Activations[p][i])))
            .GroupBy(a => a.Feature).Select(g => g.MaxBy(a => a.Activation)).OrderByDescending(a => a.Activation).ToList();
        if (active.Count == 0) return "none";
        var more = active.Count > Named ? $" and {active.Count - Named} more" : "";
        return string.Join(", ", active.Take(Named)
            .Select(a => $"{a.Feature}@{a.Position} ({a.Activation.ToString("G3", CultureInfo.InvariantCulture)})")) + more;
    }
}
