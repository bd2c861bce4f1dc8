using OnnxAttribution.Autodiff;
using OnnxAttribution.Bundles;
using OnnxAttribution.Model;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Attribution;

/// <summary>A loaded model's graphs of real moves, one per selected site: everything up to the selected sites that read it directly, and
/// to the logits at one position.</summary>
/// <remarks>They are made when they are first needed and live as long as the model, so that many prompts pay for them once.</remarks>
internal sealed class ExactGraphs : IDisposable
{
    /// <summary>int64 [1]: where the logits are read.</summary>
    public const string LogitsPosition = "exact.logits_position";

    private readonly LoadedModel _model;
    private readonly Dictionary<int, MovedSite?> _sites = [];

    private ExactGraphs(LoadedModel model) => _model = model;

    /// <summary>The model's, which owns them.</summary>
    public static ExactGraphs Of(LoadedModel model) => model.Owned(m => new ExactGraphs(m));

    /// <param name="Downstream">Selected sites by index, in the order of the segment's children.</param>
    /// <param name="Runner">null: every child moves as the site itself does.</param>
    /// <param name="LogitsKeepPositions">Only moves at the position at which the logits are read reach them.</param>
    internal sealed record MovedSite(ExactSegment Segment, IReadOnlyList<int> Downstream, GraphRunner? Runner, bool LogitsKeepPositions);

    /// <summary>The graph of moves at a selected site; null where nothing reads it.</summary>
    public MovedSite? At(int site)
    {
        lock (_sites)
        {
            if (!_sites.TryGetValue(site, out var made)) _sites[site] = made = Make(site);
            return made;
        }
    }

    public void Dispose()
    {
        foreach (var site in _sites.Values) site?.Runner?.Dispose();
    }

    private MovedSite? Make(int site)
    {
        var values = _model.SelectedValues;
        var (moved, all) = (values[site], values.ToHashSet());
        int[] later = [.. Enumerable.Range(site + 1, values.Count - site - 1)
            .Where(i => Topology.DirectlyReadBy(values[i], all).Contains(moved))];
        var full = _model.Graph[ModelBundle.Logits];
        Value? logits = null;
        if (Topology.DirectlyReadBy(full, all).Contains(moved))
        {
            var g = new GraphBuilder("exact-head/");
            logits = LogitsHead.At(g, _model.Graph, _model.AllSites, g.Input(LogitsPosition, DataType.Int64, Dim.Of(1)));
        }
        if (later.Length == 0 && logits is null) return null;
        // the tensors as they are computed: the sites themselves are cuts
        var segment = ExactSegment.Build([moved], [.. later.Select(i => values[i].Producer!.In[0]!)], logits, values);
        var keeps = PushForward.PositionWise(GradientRules.Gradient, new Dictionary<Value, int> { [moved] = 1 }, values, full)
            .GetValueOrDefault(full, -1) == 1;
        return new MovedSite(segment, [.. segment.Children.Select(c => later[c.Index])],
            segment.NeedsNoRun ? null : _model.Runner(segment.Graph), keeps);
    }
}
