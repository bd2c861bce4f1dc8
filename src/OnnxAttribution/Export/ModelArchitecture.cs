using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Export;

/// <summary>
/// One kind of model: what its config.json says, and the embeddings, blocks, norms and unembedding that it is made of. The tensors that it
/// has, how its weights are processed and how it computes follow from that. A new kind is a class and a line in <c>Architectures</c>.
/// </summary>
internal abstract class ModelArchitecture
{
    public abstract ModelShape Shape { get; }

    /// <summary>[rows, d]: what tokens, and positions where they are learned,
    /// add to the residual stream. The first is the tokens'.</summary>
    public abstract IReadOnlyList<TensorSpec> Embeddings { get; }

    /// <summary>In the order of computation.</summary>
    public abstract IReadOnlyList<BlockLayout> Blocks { get; }

    /// <summary>What the unembedding reads.</summary>
    public abstract Norm LastNorm { get; }

    /// <summary>[vocabulary, d]; null where the tokens' embedding serves.</summary>
    public abstract TensorSpec? OwnUnembedding { get; }

    /// <summary>[vocabulary]: added to the logits; null: nothing is.</summary>
    public virtual TensorSpec? UnembeddingBias => null;

    /// <summary>The row of the second embedding that the first token gets.</summary>
    public virtual int FirstPosition { get; init; }

    /// <summary>What the tokens' embedding is multiplied by; null: nothing.</summary>
    public virtual float? EmbeddingScale => null;

    /// <summary>A soft cap of the logits: c tanh(logit / c); null: none.</summary>
    public virtual float? LogitCap => null;

    public string Unembedding => (OwnUnembedding ?? Embeddings[0]).Name;

    /// <summary>Attention and MLP both read the residual stream that enters the block, so that there is no <c>hook_resid_mid</c>.</summary>
    public bool IsParallel => Blocks[0].IsParallel;

    /// <summary>Every site that a dictionary may be for, in the order of computation.</summary>
    public IEnumerable<string> SiteNames
    {
        get
        {
            var blocks = Blocks;
            return Site.Names(Shape.Layers, always: false).Where(name => Site.Parse(name) is var site && site.Kind switch
            {
                SiteKind.ResidMid => !IsParallel,
                SiteKind.Normalized => blocks[site.Layer].Mlp.Before is not null,
                _ => true,
            });
        }
    }

    /// <summary>Width of a site.</summary>
    public int WidthOf(Site site) => site.Kind == SiteKind.Z ? Shape.Heads * Shape.HeadWidth : Shape.Width;

    public CheckpointLayout Layout
    {
        get
        {
            Linear[] linears = [.. Blocks.SelectMany(b => b.Readers.Select(r => r.Linear)), .. Blocks.SelectMany(b => b.Writers)];
            Norm[] norms = [.. Blocks.SelectMany(b => b.Norms), LastNorm];
            return Named([
                .. Embeddings,
                .. norms.Select(n => new TensorSpec(n.Weight, n.Width)),
                .. norms.Where(n => !n.IsRms).Select(n => new TensorSpec(n.Bias, n.Width)),
                .. linears.Select(l => new TensorSpec(l.Weight, l.Shape)),
                .. linears.Where(l => l.HasBias).Select(l => new TensorSpec(l.Bias, l.Out)),
            ]);
        }
    }

    /// <summary>[batch, position, vocabulary], with every site and hook on the way.</summary>
    public Value Logits(HookedGraphBuilder b)
    {
        var (blocks, x) = (Blocks, Embed(b, b.Tokens()));
        for (var l = 0; l < Shape.Layers; l++) x = b.Block($"blocks.{l}", blocks[l], b.Site($"blocks.{l}.hook_resid_pre", x));
        x = b.Site($"blocks.{Shape.Layers - 1}.hook_resid_post", x);
        return b.Cap(b.Unembed(b.Normalize("ln_final", x, LastNorm), Unembedding, UnembeddingBias?.Name), LogitCap);
    }

    /// <summary>The residual stream that enters the first block, [batch, position, d], of tokens [batch, position].</summary>
    private Value Embed(HookedGraphBuilder b, Value tokens)
    {
        var g = b.G;
        var positions = Embeddings.Count == 1 ? null : g.Range(g.Int(0), g.Squeeze(g.Shape(tokens, 1, 2), 0), g.Int(1));
        if (positions is not null && FirstPosition > 0) positions = g.Add(positions, g.Int(FirstPosition));
        var x = g.Gather(b.Weight(Embeddings[0].Name), tokens, 0);
        if (EmbeddingScale is { } scale) x = g.Mul(x, g.Scalar(scale));
        x = b.SiteIfWanted(Site.Embedding, x);
        return positions is null ? x : g.Add(x, g.Gather(b.Weight(Embeddings[1].Name), positions, 0));
    }

    /// <summary>How a checkpoint names these tensors.</summary>
    protected abstract CheckpointLayout Named(IReadOnlyList<TensorSpec> tensors);
}
