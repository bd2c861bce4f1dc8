using OnnxAttribution.Files;

namespace OnnxAttribution.Hub;

/// <summary>Something cannot be fetched: the hub refuses, does not answer, or sends what cannot be taken.</summary>
internal sealed class HubException(string message, Exception? inner = null) : OnnxAttributionException(message, inner);

/// <summary>An attempt failed in a way that a further one may not: a connection that dropped, a server that is busy.</summary>
/// <param name="message">What happened, without a full stop.</param>
/// <param name="after">How long the server asks to wait; null: it does not say.</param>
internal sealed class HubPauseException(string message, TimeSpan? after = null, Exception? inner = null) : Exception(message, inner)
{
    public TimeSpan? After { get; } = after;
}
