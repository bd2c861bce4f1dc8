using System.Globalization;
using System.Text.Json.Nodes;
using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Runs;

/// <summary>What run.json says under <c>validation</c>. What is no number (NaN) is null.</summary>
internal static class ValidationFacts
{
    /// <param name="estimators">The run's own first.</param>
    /// <param name="difference">m(patch) − m(clean); NaN without a patch run.</param>
    /// <param name="unmatched">Nodes that only one of the run and its repetition has.</param>
    public static JsonObject Of(
        ValidationRequest request, IReadOnlyList<string> estimators, IReadOnlyList<ValidationCheck> checks,
        IReadOnlyList<SiteConservation> conservation, double difference, int unmatched)
    {
        var own = ValidationSummary.Of(checks, estimators[0]);
        var facts = new JsonObject
        {
            ["estimator"] = own.Estimator,
            ["all"] = request.All,
            ["sample"] = request.All ? null : request.Sample,
            ["seed"] = request.All ? null : request.Seed,
            ["nodes"] = Of(own.Nodes),
            ["edges"] = Of(own.Edges),
            ["changes"] = Of(own.Changes),
            ["by_kind"] = RunDescription.Array(own.ByKind, k => With(new() { ["kind"] = k.Kind, ["error"] = k.IsError }, k.Effects)),
            ["by_site_pair"] = RunDescription.Array(own.BySitePair, p => With(new()
            {
                ["up_site"] = p.Up,
                ["down_site"] = p.Down ?? Store.RunDirectory.MetricSite,
                ["changes_pearson"] = Number(p.Changes.Pearson)
            }, p.Effects)),
            ["by_stratum"] = RunDescription.Array(own.ByStratum,
                s => With(new() { ["check"] = s.IsEdge ? "edge" : "node", ["stratum"] = EnumName.Of(s.Stratum) }, s.Effects)),
            ["worst_nodes"] = RunDescription.Array(own.WorstNodes, Of),
            ["worst_edges"] = RunDescription.Array(own.WorstEdges, Of),
            ["conservation"] = new JsonObject
            {
                ["patch_minus_clean"] = Number(difference),
                ["sites"] = RunDescription.Array(conservation, c => new JsonObject
                {
                    ["site"] = c.Site.Name,
                    ["sum_of_effects"] = Number(c.Effects),
                    ["exact"] = Number(c.Exact),
                    ["error_share"] = Number(c.ErrorShare),
                }),
            },
        };
        if (estimators.Count > 1)
        {
            facts["compared"] = RunDescription.Array(estimators, name => Compared(ValidationSummary.Of(checks, name)));
        }
        if (unmatched > 0) facts["unmatched_nodes"] = unmatched;
        return facts;
    }

    private static JsonObject Compared(ValidationSummary s) =>
        new() { ["estimator"] = s.Estimator, ["nodes"] = Of(s.Nodes), ["edges"] = Of(s.Edges), ["changes"] = Of(s.Changes) };

    private static JsonObject Of(Agreement a) => With([], a);

    private static JsonObject With(JsonObject to, Agreement a)
    {
        to["count"] = a.Count;
        to["pearson"] = Number(a.Pearson);
        to["spearman"] = Number(a.Spearman);
        to["sign_agreement"] = Number(a.SignAgreement);
        to["slope"] = Number(a.Slope);
        to["median_relative_error"] = Number(a.MedianRelativeError);
        to["top"] = a.Top;
        to["top_recall"] = Number(a.TopRecall);
        return to;
    }

    private static JsonObject Of(ValidationCheck c)
    {
        var result = new JsonObject { ["up"] = Of(c.Up) };
        if (c.IsEdge)
        {
            result["down"] = c.Down is null ? Store.RunDirectory.MetricSite : Of(c.Down);
            result["approx_change"] = Number(c.ApproxChange);
            result["exact_change"] = Number(c.ExactChange);
        }
        result["approx_effect"] = Number(c.ApproxEffect);
        result["exact_effect"] = Number(c.ExactEffect);
        result["stratum"] = EnumName.Of(c.Stratum);
        return result;
    }

    private static JsonObject Of(CausalNode n) => new() { ["site"] = n.Site.Name, ["position"] = n.Position, ["feature"] = n.Feature };

    // the shortest number that brings the float back: readers ask for doubles
    private static JsonValue? Number(float value) =>
        Number(double.Parse(value.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture));

    private static JsonValue? Number(double value) => RunDescription.Number(value);
}
