using System.Runtime.ExceptionServices;

namespace OnnxAttribution.Runtime;

/// <summary>Pieces of work that know nothing of each other, as many at once as a context has lanes.</summary>
internal static class SideBySide
{
    [ThreadStatic]
    private static bool t_isLane;

    /// <summary>Does pieces 0 to <paramref name="count"/> − 1; one after the other where this is a piece itself. Where some fail, the
    /// first one's exception is thrown as it was.</summary>
    public static void For(RunContext context, int count, Action<int> piece)
    {
        if (context.Lanes == 1 || count == 1 || t_isLane)
        {
            for (var i = 0; i < count; i++) piece(i);
            return;
        }
        var failures = new ExceptionDispatchInfo?[count];
        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = context.Lanes }, (i, state) =>
        {
            t_isLane = true;
            try
            {
                piece(i);
            }
            catch (Exception e)
            {
                failures[i] = ExceptionDispatchInfo.Capture(e);
                state.Break();   // pieces before this one are done all the same, so that the first failure is always the same
            }
            finally
            {
                t_isLane = false;
            }
        });
        failures.FirstOrDefault(f => f is not null)?.Throw();
    }
}
