using System.Globalization;
using OnnxAttribution.Bundles;
using OnnxAttribution.Curves;
using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Store;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>A response curve on one prompt, with what is written and said of it.</summary>
internal sealed class CurveRun
{
    private readonly LoadedModel _model;
    private readonly PromptTask _task;
    private readonly bool _prependBos;
    private readonly ILookup<(int Step, int Position), Kink> _kinks;

    private CurveRun(LoadedModel model, PromptTask task, bool prependBos, ResponseCurve curve)
    {
        (_model, _task, _prependBos, Curve) = (model, task, prependBos, curve);
        _kinks = curve.Kinks.ToLookup(b => (b.Step, b.Position));
    }

    public ResponseCurve Curve { get; }

    /// <param name="model">Opened with the sites of the two features and no other.</param>
    /// <exception cref="PromptException">The prompt cannot be used.</exception>
    /// <inheritdoc cref="CurveFinder.Find" path="/exception"/>
    public static CurveRun Find(LoadedModel model, PromptTask task, CurveRequest request)
    {
        var bos = request.PrependBos ?? model.PrependsBos;
        var tokens = PromptTokens.Of(task, model.Tokenizer, bos).Clean;
        return new CurveRun(model, task, bos, CurveFinder.Find(model, tokens, request.Up, request.Down, request.Coefficients));
    }

    /// <summary>Text of the token at a position.</summary>
    public string TextAt(int position) => _model.Tokenizer.TokenText(Curve.Tokens[position]);

    /// <summary>What a bend is, in words: which feature or head, and from which token to which.</summary>
    public string Words(Kink bend)
    {
        var c = Curve;
        switch (bend.Cause)
        {
            case KinkCause.SwitchesOn or KinkCause.SwitchesOff:
                var on = bend.Cause == KinkCause.SwitchesOn;
                return TopK is { } k ? $"feature {c.Down.Feature} {(on ? "enters" : "leaves")} the {k} strongest of {c.Down.Site}"
                    : $"feature {c.Down.Feature} of {c.Down.Site} switches {(on ? "on" : "off")}";
            case KinkCause.Attention:
                var a = bend.Attention!;
                return $"block {a.Layer} head {a.Head} at {Token(a.Query)} turns from {Token(a.FromKey)} ({Share(a.FromWeights.From)} → "
                    + $"{Share(a.ToWeights.From)}) "
                    + $"to {Token(a.ToKey)} ({Share(a.FromWeights.To)} → {Share(a.ToWeights.To)})";
            default:
                return $"the slope goes from {Number(SlopeBefore(bend))} to {Number(SlopeBefore(bend with { Step = bend.Step + 1 }))}; "
                    + "no feature or head was seen to switch";
        }
    }

    /// <summary>Writes every coefficient at every position as one Parquet file, whole or not at all.</summary>
    /// <exception cref="RunDirectoryException">The file exists and <paramref name="force"/> is off, or it cannot be written.</exception>
    public void Write(string file, bool force) => RunDirectory.WriteRows(file, Rows(), force, RunFile.MetadataOf(
        new CurveMetadata(_task.Prompt, _prependBos, Curve.Up.ToString(), Curve.Down.ToString(), _model.Name, _model.BundleHash,
            ThisProgram.Name, ThisProgram.Version), RunJson.Default.CurveMetadata), _model.Context.Cancel);

    private IEnumerable<CurveRow> Rows()
    {
        var c = Curve;
        var texts = Enumerable.Range(0, c.Tokens.Count).Select(TextAt).ToArray();
        for (var i = 0; i < c.Coefficients.Count; i++)
        {
            for (var q = 0; q < texts.Length; q++)
            {
                var here = _kinks[(i, q)].Select(Words).ToList();
                yield return new CurveRow(c.Coefficients[i], q, texts[q], c.Activation[i][q], (float)c.Line(i, q), c.Up.Site,
                    c.Up.Feature, c.Down.Site, c.Down.Feature, here.Count > 0, here.Count > 0 ? string.Join("; ", here) : null);
            }
        }
    }

    private int? TopK => _model.DictionaryOf(_model.Bundle.SiteNamed(Curve.Down.Site))!.K;

    private double SlopeBefore(Kink bend) =>
        (Curve.Activation[bend.Step][bend.Position] - Curve.Activation[bend.Step - 1][bend.Position])
            / (Curve.Coefficients[bend.Step] - Curve.Coefficients[bend.Step - 1]);

    private string Token(int position) => $"{position} {DisplayText.Quoted(TextAt(position))}";

    private static string Share(float weight) => weight.ToString("0.00", CultureInfo.InvariantCulture);

    private static string Number(double value) => value.ToString("G3", CultureInfo.InvariantCulture);
}

/// <summary>Which curve is asked for.</summary>
/// <param name="Up">The feature that is scaled.</param>
/// <param name="Down">The feature that is read.</param>
/// <param name="Coefficients">What the upstream activation is multiplied with, ascending.</param>
/// <param name="PrependBos">null: as the dictionaries were trained.</param>
internal sealed record CurveRequest(FeatureName Up, FeatureName Down, IReadOnlyList<double> Coefficients, bool? PrependBos = null);
