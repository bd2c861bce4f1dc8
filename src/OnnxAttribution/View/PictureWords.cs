using OnnxAttribution.Files;

namespace OnnxAttribution.View;

/// <summary>Nodes and edges of a run in words, for tooltips and labels. Nothing here is escaped.</summary>
internal static class PictureWords
{
    /// <summary>Such as <c>3:953@2 ' ('</c>; of the metric what it is.</summary>
    public static string Place(RunPicture picture, PictureNode node) => node.IsMetric ? picture.Header.MetricWords
        : node.Position < 0 ? node.Label : $"{node.Spelling} {DisplayText.Quoted(node.Token)}";

    /// <summary>A node's figures on lines of their own.</summary>
    public static string Of(RunPicture picture, PictureNode node)
    {
        var lines = new List<string> { Place(picture, node) };
        if (picture.LabelOf(node) is { } label) lines.Add(DisplayText.Quoted(label));
        void Add(string name, float value)
        {
            if (!float.IsNaN(value)) lines.Add($"{name} {NumberText.Of(value)}");
        }
        Add(node.IsMetric ? "clean" : node.IsToken ? "norm" : node.IsError ? "norm of the error" : "activation", node.Activation);
        if (node.IsMetric || node.PatchActivation != 0)
        {
            Add(node.IsMetric ? "patched" : picture.Header.IsAblation ? "ablated" : "in the patch run", node.PatchActivation);
        }
        if (!float.IsNaN(node.Effect))
        {
            var does = node.Contribution < 0 ? "lowers" : node.Contribution > 0 ? "raises" : "does nothing for";
            lines.Add($"{(picture.Header.ShowsAblation ? "moved away it " : "")}{does} the metric: "
                + $"{Moved(picture.Header)} {Signed(node.Effect)}");
        }
        if (node.IsUnreliable) lines.Add($"may be off by more than half, even in sign: by about {NumberText.Of(node.EffectError)}");
        if (!float.IsNaN(node.ExactEffect))
        {
            lines.Add($"measured{(picture.Header.IsReplaced ? " in the replacement model" : "")}: {Signed(node.ExactEffect)}");
        }
        return string.Join("\n", lines);
    }

    /// <summary>What an edge joins and what it does.</summary>
    public static string Of(RunPicture picture, PictureEdge edge)
    {
        var (does, on) = (Does(picture, edge), picture.Header.IsAblation && !picture.Nodes[edge.Down].IsMetric
            ? "the downstream activation"
            : "the metric");
        var words = float.IsNaN(does) ? "effect not known" : $"{(does < 0 ? "lowers" : "raises")} {on} by {NumberText.Of(Math.Abs(does))}";
        var jacobian = float.IsNaN(edge.Jacobian) ? "" : $"\njacobian {NumberText.Of(edge.Jacobian)}";
        return $"{Place(picture, picture.Nodes[edge.Up])} → {Place(picture, picture.Nodes[edge.Down])}\n{words}{jacobian}";
    }

    /// <summary>What an edge does, in the sign of its colour:
    /// for the metric or, in a run of real ablations, for the downstream activation.</summary>
    public static float Does(RunPicture picture, PictureEdge edge) => picture.Header.IsAblation ? edge.OnDownstream : edge.OnMetric;

    private static string Moved(PictureHeader header) =>
        header.IsPatched ? "with its patch value" : header.Coefficient == 0 ? "without it" : $"times {NumberText.Of(header.Coefficient)}";

    private static string Signed(float value) => (value > 0 ? "+" : "") + NumberText.Of(value);
}
