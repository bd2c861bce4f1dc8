using OnnxAttribution.Files;

namespace OnnxAttribution.Verification;

/// <summary>Expected numbers cannot be read, or there is nothing to run them on; the message says what to do.</summary>
internal sealed class VerificationException(string message) : OnnxAttributionException(message);
