using OnnxAttribution.Bundles;
using OnnxAttribution.Checkpoints;
using OnnxAttribution.Onnx;

namespace OnnxAttribution.Export;

/// <summary>
/// One kind of model: what its config.json says, the tensors it has, which of them read from a normalisation or write to the residual
/// stream, and how it computes. A new kind is a class of its own and a line in <c>Architectures</c>.
/// </summary>
internal abstract class ModelArchitecture
{
    public abstract ModelShape Shape { get; }

    /// <summary>[rows, d]: what tokens, and positions where they are learned,
    /// add to the residual stream. The first is the tokens'.</summary>
    public abstract IReadOnlyList<TensorSpec> Embeddings { get; }

    /// <summary>In the order of computation, without the last.</summary>
    public abstract IEnumerable<Norm> Norms { get; }

    /// <summary>What the unembedding reads.</summary>
    public abstract Norm LastNorm { get; }

    /// <summary>Linear layers that write to the residual stream.</summary>
    public abstract IEnumerable<Linear> Writers { get; }

    /// <summary>Of every block, in order.</summary>
    public abstract IEnumerable<ValuePath> Values { get; }

    /// <summary>[vocabulary, d]; null where the tokens' embedding serves.</summary>
    public abstract TensorSpec? OwnUnembedding { get; }

    public string Unembedding => (OwnUnembedding ?? Embeddings[0]).Name;

    /// <summary>Attention and MLP both read the residual stream that enters the block, so that there is no <c>hook_resid_mid</c>.</summary>
    public virtual bool IsParallel => false;

    /// <summary>Every site that a dictionary may be for, in the order of computation.</summary>
    public IEnumerable<string> SiteNames =>
        Site.Names(Shape.Layers, always: false).Where(name => !IsParallel || Site.Parse(name).Kind != SiteKind.ResidMid);

    /// <summary>Width of a site.</summary>
    public int WidthOf(Site site) => site.Kind == SiteKind.Z ? Shape.Heads * Shape.HeadWidth : Shape.Width;

    public CheckpointLayout Layout
    {
        get
        {
            var linears = Norms.SelectMany(n => n.ReadBy).Concat(Writers);
            var norms = Norms.Append(LastNorm);
            return Named([
                .. Embeddings,
                .. norms.Select(n => new TensorSpec(n.Weight, Shape.Width)),
                .. norms.Where(n => !n.IsRms).Select(n => new TensorSpec(n.Bias, Shape.Width)),
                .. linears.Select(l => new TensorSpec(l.Weight, l.Shape)),
                .. linears.Where(l => l.HasBias).Select(l => new TensorSpec(l.Bias, l.Out)),
            ]);
        }
    }

    /// <summary>[batch, position, vocabulary], with every site and hook on the way.</summary>
    public Value Logits(HookedGraphBuilder b)
    {
        var x = Embed(b, b.Tokens());
        for (var l = 0; l < Shape.Layers; l++) x = Block(b, l, $"blocks.{l}", b.Site($"blocks.{l}.hook_resid_pre", x));
        x = b.Site($"blocks.{Shape.Layers - 1}.hook_resid_post", x);
        return b.Unembed(b.Normalize("ln_final", x, LastNorm), Unembedding);
    }

    /// <summary>The residual stream that enters the first block, [batch, position, d], of tokens [batch, position].</summary>
    protected virtual Value Embed(HookedGraphBuilder b, Value tokens) =>
        b.SiteIfWanted(Site.Embedding, b.G.Gather(b.Weight(Embeddings[0].Name), tokens, 0));

    /// <summary>The residual stream that leaves block <paramref name="l"/>, [batch, position, d], of the one that enters it.</summary>
    /// <param name="block">What the names of its hooks begin with.</param>
    protected abstract Value Block(HookedGraphBuilder b, int l, string block, Value x);

    /// <summary>How a checkpoint names these tensors.</summary>
    protected abstract CheckpointLayout Named(IReadOnlyList<TensorSpec> tensors);
}
