using OnnxAttribution.Attribution;
using OnnxAttribution.Bundles;
using OnnxAttribution.Dashboards;
using OnnxAttribution.Files;

namespace OnnxAttribution.Cli.Reports;

/// <summary>What reports call a node.</summary>
internal static class NodeLabel
{
    /// <summary>Such as <c>3:953@5 'token'</c>, as options read it;
    /// a token with which a graph of transcoders begins, <c>token@5 'the'</c>, and all of them <c>tokens</c>. A feature's label
    /// stands behind it.</summary>
    /// <param name="tokenAt">Text of the token at a position; null where it is not known.</param>
    public static string Of(CausalNode node, Func<int, string?> tokenAt, RunLabels labels) =>
        Of(node, tokenAt) + (node.IsError || node.IsToken ? "" : labels.Behind(node.Site.Name, node.Feature));

    private static string Of(CausalNode node, Func<int, string?> tokenAt)
    {
        var token = node.Position < 0 ? null : tokenAt(node.Position);
        var text = token is null ? "" : $" {DisplayText.Quoted(token)}";
        if (node.IsToken) return node.Position < 0 ? "tokens" : $"token@{node.Position}{text}";
        return node.IsLump ? $"{FeatureName.Of(node.Site, node.Feature)}s" : FeatureName.Of(node.Site, node.Feature, node.Position) + text;
    }
}
