using OnnxAttribution.Files;
using OnnxAttribution.Texts;

namespace OnnxAttribution.Runs;

/// <summary>A share of a dataset's parts, which are shared out in ranges: one shard's work, wherever the others are done.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Of">How many shards there are.</param>
public sealed record PromptShard(int Number, int Of)
{
    /// <summary>All of a dataset.</summary>
    public static PromptShard Whole { get; } = new(1, 1);

    /// <summary>From 1 to <see cref="Of"/>.</summary>
    /// <exception cref="PromptException">There is no such shard.</exception>
    public int Number { get; init; } = Number >= 1 && Number <= Of ? Number : throw new PromptException(
        $"there is no shard {Number} of {Of}; shards are numbered from 1 to their count")
    {
        Settings = [Setting.Shard]
    };

    /// <summary>The first part of the shard and the one behind its last, of so many.</summary>
    internal (int From, int To) PartsOf(int parts) => ((int)((long)parts * (Number - 1) / Of), (int)((long)parts * Number / Of));
}
