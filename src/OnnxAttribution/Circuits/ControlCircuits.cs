using OnnxAttribution.Bundles;
using OnnxAttribution.Model;

namespace OnnxAttribution.Circuits;

/// <summary>Controls of a circuit: circuits of the same placement and size, to compare its effect with.</summary>
internal sealed class ControlCircuits
{
    private readonly Circuit _circuit;
    private readonly Dictionary<Site, int[][]> _active = [];

    public ControlCircuits(ActivationCache clean, Circuit circuit)
    {
        _circuit = circuit;
        foreach (var site in circuit.Features.Select(n => n.Site).Distinct()) _active[site] = clean.Encode(site).Features;
    }

    /// <summary>Nodes of the circuit that are active in the clean run, at their position or at any; an error is.</summary>
    public int Active() =>
        _circuit.Nodes.Count(n => n.IsError || (
            n.IsEverywhere ? _active[n.Site].Any(f => f.Contains(n.Feature)) : _active[n.Site][n.Position].Contains(n.Feature)));

    /// <summary>At each place of the circuit as many features, drawn from those that are active there in the clean run and not the
    /// circuit's own, and set to the same values where it sets some; fewer where there are no more. A place has one error, so that the
    /// circuit's errors are the control's too.</summary>
    /// <param name="index">Which of many: each is drawn by itself.</param>
    public Circuit Random(int seed, int index)
    {
        var random = RandomOf(seed, index);
        var nodes = _circuit.Nodes.Where(n => n.IsError).ToList();
        foreach (var place in _circuit.Features.GroupBy(n => (n.Site, n.Position)))
        {
            var active = _active[place.Key.Site];
            var own = place.Select(n => n.Feature).ToHashSet();
            int[] others = [.. (place.Key.Position == TokenPosition.All
                ? active.SelectMany(f => f).Distinct()
                : active[place.Key.Position]).Where(f => !own.Contains(f)).Order()];
            random.Shuffle(others);
            nodes.AddRange(place.Zip(others, (n, f) => n with { Feature = f }));
        }
        return new Circuit(nodes);
    }

    /// <summary>The source of one control, whichever others are drawn.</summary>
    public static Random RandomOf(int seed, int index) => new(unchecked((seed * 1_000_003) + index));

    /// <summary>In the place of a circuit's features the first ones of each dictionary: feature 0, and where it has several at one place
    /// 1, 2 and so on, so that it is as large.</summary>
    /// <remarks>Udell 2024, footnotes 4 to 7.</remarks>
    public Circuit FirstFeatures() => new(_circuit.Features.GroupBy(n => n.Site).SelectMany(site =>
    {
        // where some count everywhere, those of single positions come after them
        int[] everywhere = [.. site.Where(n => n.IsEverywhere).Select(n => n.Feature)];
        return site.GroupBy(n => n.Position).SelectMany(place =>
        {
            var own = place.Key == TokenPosition.All ? [] : everywhere;
            var next = own.Length;
            return place.Select(n => n with { Feature = Array.IndexOf(own, n.Feature) is >= 0 and var i ? i : next++ }).ToList();
        });
    }));

    /// <summary>The largest number of features of <see cref="FirstFeatures"/> at one place.</summary>
    public static int MostFirst(Circuit circuit) => circuit.Features.GroupBy(n => n.Site).Max(site =>
    {
        var everywhere = site.Where(n => n.IsEverywhere).Select(n => n.Feature).ToHashSet();
        return site.GroupBy(n => n.Position).Max(place => everywhere.Union(place.Select(n => n.Feature)).Count());
    });
}
