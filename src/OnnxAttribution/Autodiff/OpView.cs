using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>An operator as a rule sees it: its inputs and outputs,
/// possibly at gathered positions only, and what is asked of the rule.</summary>
/// <param name="op">The operator of the primal graph.</param>
/// <param name="seen">How the rule sees a primal value: the value itself, or its rows at the cotangents' positions.</param>
/// <param name="wanted">Per input: whether a cotangent (or, for tangents, whether a tangent) exists for it.</param>
internal sealed class OpView(Op op, Func<Value, Value> seen, IReadOnlyList<bool> wanted)
{
    private readonly Dictionary<Value, Value> _seen = [];

    public Op Op { get; } = op;

    public Value In(int i) => Has(i) ? See(Op.In[i]!) : throw new GraphException($"{Op} lacks its input {i}");

    public Value Out(int i = 0) => See(Op.Out[i]!);

    public bool Has(int i) => i < Op.In.Count && Op.In[i] is not null;

    public bool Wants(int i) => i < wanted.Count && wanted[i];

    /// <summary>Rank of the primal input, whose axes a cotangent's axes follow with one more in front.</summary>
    public int Rank(int i = 0) => Op.In[i]!.Rank;

    /// <summary>A non-negative axis of the primal, counted from its end, so that it means the same for a cotangent.</summary>
    public long FromEnd(long axis, int rank) => axis < 0 ? axis : axis - rank;

    private Value See(Value v)
    {
        if (!_seen.TryGetValue(v, out var s)) _seen[v] = s = seen(v);
        return s;
    }
}
