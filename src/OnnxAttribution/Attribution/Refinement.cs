using System.Numerics.Tensors;
using OnnxAttribution.Model;

namespace OnnxAttribution.Attribution;

/// <summary>
/// Effects that can be trusted where it matters: the strongest nodes of a graph, by what is known so far, are really moved.
/// 1. <see cref="Shallow"/> nodes per node of the budget are run one block deep (<see cref="MovedNodes"/>).
/// 2. In <see cref="Rounds"/> rounds the next strongest are run all the way, until the budget N is spent, or a round leaves the order of
///    the N strongest as it was.
/// 3. What the estimates were off by tells how far those are off that were not measured: <see cref="CausalNode.EffectError"/>.
/// A node is as strong as it may be: |effect| and what the effect is thought to be off by.
/// </summary>
/// <remarks>
/// The error of a linear step is of second order, so it is taken as c · ‖g‖ ‖Δx‖² / ‖x‖, with g the gradient, x the activation and Δx
/// the node's change at its position. c, one per level, is twice the median of what the measured nodes of this graph say.
/// The numbers were chosen over 72 prompts (docs/results/validation.md): more nodes one block deep do more than fewer two blocks deep.
/// </remarks>
internal sealed class Refinement
{
    /// <summary>Nodes that are run one block deep, for each that is run all the way.</summary>
    public const int Shallow = 8;

    /// <summary>In how many rounds nodes are run all the way.</summary>
    public const int Rounds = 4;

    /// <summary>c of attribution before anything was measured.</summary>
    private const double Prior = 0.1;

    private readonly PatchingState _state;
    private readonly List<CausalNode> _nodes;
    private readonly MovedNodes _moved;
    private readonly float[] _secondOrder;
    private readonly float[] _shallow;

    // before anything was moved
    private readonly float[] _estimate;
    private double _linearError = Prior, _shallowError = Prior;

    private Refinement(PatchingState state, ActivationCache clean, List<CausalNode> nodes, Estimator estimator)
    {
        (_state, _nodes) = (state, nodes);
        _moved = new MovedNodes(state, clean, estimator);
        _secondOrder = new float[nodes.Count];
        _shallow = new float[nodes.Count];
        Array.Fill(_shallow, float.NaN);
        _estimate = [.. nodes.Select(n => n.Effect)];
        foreach (var site in state.Sites) SecondOrder(site);
    }

    /// <summary>Moves the strongest nodes and puts what was found into the list.</summary>
    /// <param name="budget">N: how many are run all the way, at most.</param>
    public static RefinementWork Refine(PatchingState state, ActivationCache clean, List<CausalNode> nodes, int budget,
        Estimator estimator)
    {
        var refinement = new Refinement(state, clean, nodes, estimator);
        refinement.OneBlock(budget);
        refinement.Exact(budget);
        for (var i = 0; i < nodes.Count; i++) nodes[i] = nodes[i] with { EffectError = refinement.ErrorOf(i) };
        var exact = nodes.Count(n => n.Method == NodeMethods.Exact);
        return new RefinementWork(nodes.Count(n => NodeMethods.IsMeasured(n.Method)) - exact, exact, refinement._moved.Operations);
    }

    private void OneBlock(int budget)
    {
        var chosen = Strongest((int)Math.Min(_nodes.Count, (long)Shallow * budget));
        Take(chosen, 1);
        _linearError = Ratio(i => Math.Abs(_nodes[i].Effect - _estimate[i]), i => NodeMethods.IsMeasured(_nodes[i].Method), Prior);
        _shallowError = _linearError;
    }

    private void Exact(int budget)
    {
        var spent = 0;
        for (var round = 0; round < Rounds && spent < budget; round++)
        {
            var before = Order(budget);
            int[] next = [.. Strongest(_nodes.Count).Where(i => _nodes[i].Method != NodeMethods.Exact)
                .Take((budget - spent + Rounds - round - 1) / (Rounds - round))];
            if (next.Length == 0) break;
            Take(next, MovedNodes.Whole);
            spent += next.Length;
            _linearError = Ratio(i => Math.Abs(_nodes[i].Effect - _estimate[i]), i => NodeMethods.IsMeasured(_nodes[i].Method),
                Prior);
            _shallowError = Ratio(i => Math.Abs(_nodes[i].Effect - _shallow[i]),
                i => _nodes[i].Method == NodeMethods.Exact && !float.IsNaN(_shallow[i]), _linearError);
            if (before.SequenceEqual(Order(budget))) break;
        }
    }

    private void Take(int[] chosen, int depth)
    {
        var effects = _moved.Effects(chosen, depth);
        for (var n = 0; n < chosen.Length; n++)
        {
            var (i, found) = (chosen[n], effects[n]);
            if (!found.IsExact) _shallow[i] = found.Effect;
            _nodes[i] = MovedNodes.With(_nodes[i], found);
        }
    }

    private int[] Order(int count) =>
        [.. Enumerable.Range(0, _nodes.Count).OrderByDescending(i => Math.Abs(_nodes[i].Effect)).ThenBy(i => i).Take(count)];

    private int[] Strongest(int count) =>
        [.. Enumerable.Range(0, _nodes.Count).OrderByDescending(i => Math.Abs(_nodes[i].Effect) + ErrorOf(i)).ThenBy(i => i).Take(count)];

    private float ErrorOf(int i) => _nodes[i].Method == NodeMethods.Exact ? 0
        : (float)((NodeMethods.IsMeasured(_nodes[i].Method) ? _shallowError : _linearError) * _secondOrder[i]);

    // twice the median of error / ‖g‖ ‖Δx‖² / ‖x‖
    private double Ratio(Func<int, float> error, Func<int, bool> isAmong, double otherwise)
    {
        double[] ratios = [.. Enumerable.Range(0, _nodes.Count).Where(i => isAmong(i) && _secondOrder[i] > 0)
            .Select(i => error(i) / (double)_secondOrder[i]).Order()];
        return ratios.Length == 0 ? otherwise : 2 * ratios[ratios.Length / 2];
    }

    private void SecondOrder(SiteEffects site)
    {
        var change = new float[site.Width];
        for (var n = 0; n < site.Nodes.Count; n++)
        {
            var (position, feature) = site.Nodes[n];
            site.NodeChange(position, feature, change);
            var norm = TensorPrimitives.Norm(site.CleanAt(position));
            _secondOrder[site.FirstNode + n] = norm == 0
                ? 0 : TensorPrimitives.Norm(site.GradientAt(position)) * TensorPrimitives.SumOfSquares<float>(change) / norm;
        }
    }
}

/// <summary>What refining a graph's effects took.</summary>
/// <param name="Shallow">Nodes that were run some blocks deep and no further.</param>
/// <param name="Exact">Nodes that were run all the way.</param>
/// <param name="Operations">Floating-point operations of the matrix products.</param>
internal readonly record struct RefinementWork(int Shallow, int Exact, long Operations);
