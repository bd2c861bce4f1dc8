using OnnxAttribution.Files;

namespace OnnxAttribution.Dashboards;

/// <summary>Dashboards cannot be made or shown; the message says what is wrong and how to fix it.</summary>
internal sealed class DashboardException(string message, Exception? inner = null) : OnnxAttributionException(message, inner);
