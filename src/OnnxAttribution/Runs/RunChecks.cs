using OnnxAttribution.Files;
using OnnxAttribution.Model;
using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>What a graph is put to once it is written.</summary>
/// <param name="Validation">How it is validated; null: not at all.</param>
/// <param name="Certificate">How it is bounded what it has left out; null: not at all.</param>
internal sealed record RunChecks(ValidationRequest? Validation, CertificateRequest? Certificate)
{
    public static RunChecks None { get; } = new(null, null);

    /// <summary>Refuses a model whose graphs cannot be checked, before one is drawn.</summary>
    /// <exception cref="AttributionException">Its MLPs are replaced, and a check is asked for.</exception>
    public void RequireFor(LoadedModel model)
    {
        if (!model.IsReplaced || (Validation is null && Certificate is null)) return;
        throw new AttributionException("MLPs are replaced by transcoders, and only graphs of the model itself can be validated or bounded "
            + "yet; leave the check out, or replace none")
        {
            Settings = [Validation is null ? Setting.Certify : Setting.Validate, Setting.Replace]
        };
    }

    /// <summary>Checks a run that was written to a directory.</summary>
    /// <param name="record">What its run.json holds.</param>
    /// <returns>What it holds then.</returns>
    public GraphRunRecord Apply(GraphRun run, string path, GraphRunRecord record, IProgress<string>? progress)
    {
        if (Validation is not null) record = run.Validate(path, Validation, progress);
        return Certificate is null ? record : run.Certify(path, Certificate, progress);
    }
}
