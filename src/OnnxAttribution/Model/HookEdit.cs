using OnnxAttribution.Files;

namespace OnnxAttribution.Model;

/// <summary>What is done to a hook's tensor x: at chosen heads and positions it becomes factor · x + values. Where several edits of a row
/// are of one hook, they are done one after the other.</summary>
/// <remarks>Hooks are named as TransformerLens names them, such as <c>blocks.3.attn.hook_pattern</c>, or short: <c>3.q</c>, <c>3.k</c>,
/// <c>3.v</c>, <c>3.pattern</c>, <c>3.z</c>, <c>3.resid</c>, <c>3.attn</c>, <c>3.mlp</c>. One row of <c>hook_q</c>, <c>hook_k</c>,
/// <c>hook_v</c> and <c>hook_z</c> is [T, heads, d_head] (keys and values may have fewer heads), of <c>hook_pattern</c>
/// [heads, query, key], of a site [T, d], of <c>hook_scale</c> [T, 1].</remarks>
public sealed record HookEdit
{
    private HookEdit(string hook, float factor, ReadOnlyMemory<float> values) => (Hook, Factor, Values) = (hook, factor, values);

    /// <summary>The hook's name.</summary>
    public string Hook { get; }

    /// <summary>What x is multiplied with: a factor, no unit; 0 where it is replaced.</summary>
    public float Factor { get; }

    /// <summary>What is added, float32 in the tensor's own unit: [1] for every entry, [d] or [d_head] for every head and position, or a
    /// whole row such as [T, heads, d_head], of which the chosen heads and positions count.</summary>
    public ReadOnlyMemory<float> Values { get; }

    /// <summary>From 0; null: all. Of <c>hook_k</c> and <c>hook_v</c> the key's head, where queries share them.</summary>
    public int? Head { get; init; }

    /// <summary>Token position from 0, BOS counted; null: all. Of a pattern the query's.</summary>
    public int? Position { get; init; }

    /// <summary>Every entry becomes a number.</summary>
    /// <param name="hook">Its name.</param>
    /// <param name="value">In activation units of the tensor.</param>
    public static HookEdit Set(string hook, float value) => new(hook, 0, new[] { value });

    /// <summary>Something is added.</summary>
    /// <param name="hook">Its name.</param>
    /// <param name="values">[1], one vector or a whole row, as <see cref="Values"/> says.</param>
    public static HookEdit Add(string hook, ReadOnlyMemory<float> values) => new(hook, 1, values);

    /// <summary>It is multiplied.</summary>
    /// <param name="hook">Its name.</param>
    /// <param name="factor">No unit: 0 ablates, 1 changes nothing.</param>
    public static HookEdit Scale(string hook, float factor) => new(hook, factor, new float[1]);

    /// <summary>It becomes another tensor's: another run's (<see cref="HookInterventions.Hook"/>), a mean, a resampled prompt's.</summary>
    /// <param name="hook">Its name.</param>
    /// <param name="values">[1], one vector or a whole row, as <see cref="Values"/> says.</param>
    public static HookEdit Replace(string hook, ReadOnlyMemory<float> values) => new(hook, 0, values);

    /// <exception cref="AttributionException">There is no such head or position, or the values do not fit.</exception>
    internal void Check(HookTensor hook, int positions)
    {
        if (Head is { } h && !(hook.HasHeads && h >= 0 && h < hook.Heads))
        {
            throw new AttributionException(hook.HasHeads ? $"{hook.Name} has no head {h}: its heads are 0 to {hook.Heads - 1}"
                : $"{hook.Name} has no heads, so it has no head {h}; change it at positions")
            {
                Settings = [Setting.Head]
            };
        }
        if (Position is { } t && (t < 0 || t >= positions))
        {
            throw new AttributionException($"position {t} of {hook.Name} is outside the prompt, whose tokens are 0 to {positions - 1}")
            {
                Settings = [Setting.Position]
            };
        }
        if (Values.Length != 1 && Values.Length != hook.WidthOf(positions) && Values.Length != hook.Size(positions))
        {
            throw new AttributionException($"{hook.Name} takes 1 number, {hook.WidthOf(positions)} of a vector or {hook.Size(positions)} "
                + $"of {hook.Axes} of {positions} positions, not {Values.Length}");
        }
        if (!float.IsFinite(Factor) || Infinite(Values.Span))
        {
            throw new AttributionException($"{hook.Name} cannot be made what is no number; give finite ones");
        }
    }

    /// <summary>Does it to one row.</summary>
    internal void Apply(HookTensor hook, int positions, Span<float> row)
    {
        var width = hook.WidthOf(positions);
        var values = Values.Span;
        foreach (var offset in hook.Offsets(positions, Head, Position))
        {
            var x = row.Slice(offset, width);
            var added = values.Length == row.Length ? values.Slice(offset, width) : values;
            for (var i = 0; i < width; i++) x[i] = (Factor == 0 ? 0 : Factor * x[i]) + (added.Length == 1 ? added[0] : added[i]);
        }
    }

    /// <summary>Whether a row stays as it is.</summary>
    internal bool ChangesNothing(HookTensor hook, int positions, ReadOnlySpan<float> row)
    {
        var width = hook.WidthOf(positions);
        var values = Values.Span;
        foreach (var offset in hook.Offsets(positions, Head, Position))
        {
            var added = values.Length == row.Length ? values.Slice(offset, width) : values;
            for (var i = 0; i < width; i++)
            {
                var x = row[offset + i];
                if ((Factor == 0 ? 0 : Factor * x) + (added.Length == 1 ? added[0] : added[i]) != x) return false;
            }
        }
        return true;
    }

    private static bool Infinite(ReadOnlySpan<float> values)
    {
        foreach (var v in values)
        {
            if (!float.IsFinite(v)) return true;
        }
        return false;
    }
}
