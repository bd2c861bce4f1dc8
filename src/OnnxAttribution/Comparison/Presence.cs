namespace OnnxAttribution.Comparison;

/// <summary>In which of two graphs, A and B, a node or an edge is.</summary>
public enum Presence
{
    /// <summary>In both, with effects of one sign, or an effect that is 0 or not known.</summary>
    Both,

    /// <summary>In both, with effects of opposite signs.</summary>
    Opposite,

    /// <summary>Only in the first.</summary>
    OnlyA,

    /// <summary>Only in the second.</summary>
    OnlyB,
}

/// <summary>Presences as tables and JSON have them.</summary>
internal static class PresenceText
{
    public static string Of(Presence presence) => presence switch
    {
        Presence.Both => "both",
        Presence.Opposite => "opposite",
        Presence.OnlyA => "a",
        _ => "b",
    };

    public static Presence Read(string text) => text switch
    {
        "both" => Presence.Both,
        "opposite" => Presence.Opposite,
        "a" => Presence.OnlyA,
        _ => Presence.OnlyB,
    };
}
