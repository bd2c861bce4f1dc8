using OnnxAttribution.Model;
using OnnxAttribution.Runtime;

namespace OnnxAttribution.Attribution;

/// <summary>What became of one prompt of several: what was found, or why nothing was.</summary>
/// <param name="Found">default where there is a failure.</param>
/// <param name="Failure">What was asked cannot be, or needs more memory than it may take.</param>
internal readonly record struct Outcome<T>(T? Found, Exception? Failure) where T : class
{
    /// <summary>What is found, or the failure where it is one of the prompt's own.</summary>
    public static Outcome<T> Of(Func<T> find)
    {
        try
        {
            return new(find(), null);
        }
        catch (Exception e) when (e is AttributionException or MemoryBudgetException)
        {
            return new(null, e);
        }
    }

    /// <summary>What is made of what was found; a failure stays.</summary>
    public Outcome<TNext> Then<TNext>(Func<T, TNext> next) where TNext : class
    {
        if (Found is not { } found) return new(null, Failure);
        return Outcome<TNext>.Of(() => next(found));
    }
}
