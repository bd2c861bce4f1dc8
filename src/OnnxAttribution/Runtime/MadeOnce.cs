using System.Collections.Concurrent;

namespace OnnxAttribution.Runtime;

/// <summary>What is made when it is first asked for, and kept: each thing once, whoever asks, and different ones at the same time.
/// What fails is not kept: it is made anew when it is asked for again.</summary>
/// <remarks>Making one may ask for others, but not in a circle.</remarks>
internal sealed class MadeOnce<TKey, T> where TKey : notnull
{
    private readonly ConcurrentDictionary<TKey, Place> _places = new();

    private sealed class Place
    {
        private readonly Lock _lock = new();
        private volatile bool _isMade;
        private T? _value;

        /// <summary>Default: it is not made.</summary>
        public T? Made => _isMade ? _value : default;

        public bool IsMade => _isMade;

        public T Of(Func<T> make)
        {
            if (_isMade) return _value!;
            lock (_lock)
            {
                if (_isMade) return _value!;
                _value = make();
                _isMade = true;
                return _value;
            }
        }
    }

    /// <summary>What there is, or what is made now; others that ask for the same wait.</summary>
    public T Of(TKey key, Func<T> make) => _places.GetOrAdd(key, static _ => new Place()).Of(make);

    /// <summary>What was made so far.</summary>
    public IReadOnlyList<T> All => [.. _places.Values.Where(p => p.IsMade).Select(p => p.Made!)];

    /// <summary>Gives back what was made, which is made anew when it is asked for; nobody may be making it.</summary>
    public T? Remove(TKey key) => _places.TryRemove(key, out var place) ? place.Made : default;
}
