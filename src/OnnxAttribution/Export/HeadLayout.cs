namespace OnnxAttribution.Export;

/// <summary>How queries, keys and values come out of linear layers.</summary>
internal abstract record HeadLayout
{
    /// <summary>In the order of computation.</summary>
    public abstract IReadOnlyList<Linear> Linears { get; }

    /// <summary>The layer that yields the values, perhaps beside queries and keys.</summary>
    public abstract Linear Values { get; }

    /// <summary>The output of <see cref="Values"/> that entry i of the heads side by side (<c>attn.hook_z</c>) is made of.</summary>
    public abstract int ValueOf(int i);

    /// <summary>A layer each; heads in a row may share keys and values.</summary>
    internal sealed record Separate(ModelShape Shape, Linear Query, Linear Key, Linear Value) : HeadLayout
    {
        public override IReadOnlyList<Linear> Linears => [Query, Key, Value];

        public override Linear Values => Value;

        public override int ValueOf(int i) =>
            (i / Shape.HeadWidth / (Shape.Heads / Shape.KeyValueHeads) * Shape.HeadWidth) + (i % Shape.HeadWidth);
    }

    /// <summary>One layer: the queries of all heads, then their keys, then their values.</summary>
    internal sealed record Fused(ModelShape Shape, Linear Linear) : HeadLayout
    {
        public override IReadOnlyList<Linear> Linears => [Linear];

        public override Linear Values => Linear;

        public override int ValueOf(int i) => (2 * Linear.Out / 3) + i;
    }

    /// <summary>One layer: of each head its query, its key and its value.</summary>
    internal sealed record HeadByHead(ModelShape Shape, Linear Linear) : HeadLayout
    {
        public override IReadOnlyList<Linear> Linears => [Linear];

        public override Linear Values => Linear;

        public override int ValueOf(int i) => ((((i / Shape.HeadWidth) * 3) + 2) * Shape.HeadWidth) + (i % Shape.HeadWidth);
    }
}
