using OnnxAttribution.Store;

namespace OnnxAttribution.Runs;

/// <summary>What a graph is put to once it is written.</summary>
/// <param name="Validation">How it is validated; null: not at all.</param>
/// <param name="Certificate">How it is bounded what it has left out; null: not at all.</param>
internal sealed record RunChecks(ValidationRequest? Validation, CertificateRequest? Certificate)
{
    public static RunChecks None { get; } = new(null, null);

    /// <summary>Checks a run that was written to a directory.</summary>
    /// <param name="record">What its run.json holds.</param>
    /// <returns>What it holds then.</returns>
    public GraphRunRecord Apply(GraphRun run, string path, GraphRunRecord record, IProgress<string>? progress)
    {
        if (Validation is not null) record = run.Validate(path, Validation, progress);
        return Certificate is null ? record : run.Certify(path, Certificate, progress);
    }
}
