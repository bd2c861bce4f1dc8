using System.Globalization;
using OnnxAttribution.Attribution;
using OnnxAttribution.Files;
using OnnxAttribution.Store;
using OnnxAttribution.Validation;

namespace OnnxAttribution.Runs;

/// <summary>What checking a run has found.</summary>
/// <param name="Model">The model that the graph is of.</param>
/// <param name="Estimators">The run's own first.</param>
/// <param name="Conservation">Of every selected site.</param>
/// <param name="Unmatched">Nodes that only one of the run and its repetition has.</param>
internal sealed record ValidationFindings(MovedModel Model, IReadOnlyList<string> Estimators, IReadOnlyList<ValidationCheck> Checks,
    IReadOnlyList<SiteConservation> Conservation, int Unmatched)
{
    /// <summary>m(patch) − m(clean); NaN without a patch run.</summary>
    public double PatchMinusClean { get; init; } = double.NaN;

    /// <summary>What estimators took for the effects of all nodes, in forward passes, by name where it is known.</summary>
    public IReadOnlyDictionary<string, double> Passes { get; init; } = new Dictionary<string, double>();
}

/// <summary>Findings as run.json has them, under <c>validation</c>. What is no number (NaN) is null.</summary>
internal static class ValidationRecords
{
    public static ValidationRecord Of(ValidationRequest request, ValidationFindings found)
    {
        var own = Summary(found, found.Estimators[0], found.Model);
        return new ValidationRecord
        {
            Estimator = own.Estimator,
            Model = EnumName.Of(found.Model),
            All = request.All,
            Sample = request.All ? null : request.Sample,
            Seed = request.All ? null : request.Seed,
            Nodes = Of(own.Nodes),
            Edges = Of(own.Edges),
            Changes = Of(own.Changes),
            ByKind = ByKind(own),
            BySitePair = [.. own.BySitePair.Select(p => Filled(new SitePairAgreementRecord
            {
                UpSite = p.Up,
                DownSite = p.Down ?? RunNames.MetricSite,
                ChangesPearson = RecordParts.Finite(p.Changes.Pearson),
                Count = 0,
                Top = 0,
            }, p.Effects))],
            ByStratum = ByStratum(own),
            WorstNodes = Worst(own),
            WorstEdges = [.. own.WorstEdges.Select(Edge)],
            Conservation = Conservation(found, c => c.Exact),
            Compared = found.Estimators.Count > 1 ? [.. found.Estimators.Select(name => Of(Summary(found, name, found.Model)))] : null,
            CostRecall = Costs(found, found.Model),
            InRealModel = found.Model == MovedModel.Real ? null : InRealModel(found),
            UnmatchedNodes = found.Unmatched > 0 ? found.Unmatched : null,
        };
    }

    private static RealModelRecord InRealModel(ValidationFindings found)
    {
        var own = Summary(found, found.Estimators[0], MovedModel.Real);
        return new RealModelRecord
        {
            Nodes = Of(own.Nodes),
            ByKind = ByKind(own),
            ByStratum = ByStratum(own),
            WorstNodes = Worst(own),
            Conservation = Conservation(found, c => c.ExactInRealModel ?? double.NaN),
            Compared = found.Estimators.Count > 1
                ? [.. found.Estimators.Select(name => new EstimatorNodesRecord(name, Of(Summary(found, name, MovedModel.Real).Nodes)))]
                : null,
            CostRecall = Costs(found, MovedModel.Real),
        };
    }

    private static ValidationSummary Summary(ValidationFindings found, string estimator, MovedModel model) =>
        ValidationSummary.Summarize(found.Checks, estimator, model);

    private static IReadOnlyList<KindAgreementRecord> ByKind(ValidationSummary own) =>
        [.. own.ByKind.Select(k => Filled(new KindAgreementRecord { Kind = k.Kind, Error = k.IsError, Count = 0, Top = 0 }, k.Effects))];

    private static IReadOnlyList<StratumAgreementRecord> ByStratum(ValidationSummary own) =>
        [.. own.ByStratum.Select(s => Filled(new StratumAgreementRecord
        {
            Check = s.IsEdge ? "edge" : "node",
            Stratum = s.Stratum,
            Count = 0,
            Top = 0,
        }, s.Effects))];

    private static IReadOnlyList<NodeCheckRecord> Worst(ValidationSummary own) => [.. own.WorstNodes.Select(c =>
        new NodeCheckRecord(RecordParts.Node(c.Up), Number(c.ApproxEffect), Number(c.ExactEffect), c.StratumName))];

    private static ConservationRecord Conservation(ValidationFindings found, Func<SiteConservation, double> exact) => new(
        RecordParts.Finite(found.PatchMinusClean), [.. found.Conservation.Select(c => new SiteConservationRecord(c.Site.Name,
            RecordParts.Finite(c.Effects), RecordParts.Finite(exact(c)), RecordParts.Finite(c.ErrorShare)))]);

    private static IReadOnlyList<CostRecallRecord>? Costs(ValidationFindings found, MovedModel model) =>
        found.Estimators.Count > 1 ? [.. found.Estimators.Select(name => Cost(found, name, model))] : null;

    private static CostRecallRecord Cost(ValidationFindings found, string estimator, MovedModel model)
    {
        var nodes = found.Checks.Where(c => !c.IsEdge && c.Estimator == estimator && c.Model == model).ToList();
        var cost = CostRecall.Of(estimator, found.Passes.GetValueOrDefault(estimator, double.NaN), [.. nodes.Select(n => n.ExactEffect)],
            [.. nodes.Select(n => n.ApproxEffect)]);
        return new CostRecallRecord(estimator, RecordParts.Finite(cost.Passes), cost.Ranks.Count, cost.Ranks);
    }

    private static EstimatorAgreementRecord Of(ValidationSummary s) =>
        new() { Estimator = s.Estimator, Nodes = Of(s.Nodes), Edges = Of(s.Edges), Changes = Of(s.Changes) };

    private static AgreementRecord Of(Agreement a) => Filled(new AgreementRecord { Count = 0, Top = 0 }, a);

    private static T Filled<T>(T record, Agreement a) where T : AgreementRecord => (T)((AgreementRecord)record with
    {
        Count = a.Count,
        Pearson = RecordParts.Finite(a.Pearson),
        Spearman = RecordParts.Finite(a.Spearman),
        SignAgreement = RecordParts.Finite(a.SignAgreement),
        Slope = RecordParts.Finite(a.Slope),
        MedianRelativeError = RecordParts.Finite(a.MedianRelativeError),
        Top = a.Top,
        TopRecall = RecordParts.Finite(a.TopRecall),
    });

    private static EdgeCheckRecord Edge(ValidationCheck c) => new(RecordParts.Node(c.Up),
        c.Down is { } down ? RecordParts.Node(down) : NodeOrMetric.Metric, Number(c.ApproxChange), Number(c.ExactChange),
        Number(c.ApproxEffect), Number(c.ExactEffect), c.StratumName);

    // the shortest number that brings the float back: readers ask for doubles
    private static double? Number(float value) =>
        RecordParts.Finite(double.Parse(value.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture));
}
