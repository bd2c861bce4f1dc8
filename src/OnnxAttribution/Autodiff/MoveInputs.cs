using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Autodiff;

/// <summary>What a run of moves is given. N rows hold all that is computed while positions are apart, each at a position of its own:
/// those of the unmoved run, then what differs from it. The W rows of the batch are put together from them; the first is unmoved.</summary>
internal sealed class MoveInputs
{
    /// <summary>int64 [rows]: where each row stands.</summary>
    public const string RowPosition = "rows.position";

    /// <summary>int64 [whole, position]: the row that a row of the batch holds at each position.</summary>
    public const string WholeRows = "whole.rows";

    /// <summary>int64 [whole]: the first position at which a row of the batch differs from the first one.</summary>
    public const string WholeFirst = "whole.first";

    /// <summary>int64 [pairs]: a row of the batch, and the position at which it is read.</summary>
    public const string PairRow = "pairs.row", PairPosition = "pairs.position";

    private readonly List<Value> _all;
    private readonly Dictionary<Value, (Value Held, Value Rows)> _moved = [];

    public MoveInputs(GraphBuilder g, IReadOnlyList<Value> moved)
    {
        Positions = g.Input(RowPosition, DataType.Int64, Dim.Named("rows"));
        Whole = g.Input(WholeRows, DataType.Int64, Dim.Named("whole"), moved[0].Shape![1]);
        First = g.Input(WholeFirst, DataType.Int64, Dim.Named("whole"));
        PairRows = g.Input(PairRow, DataType.Int64, Dim.Named("pairs"));
        PairPositions = g.Input(PairPosition, DataType.Int64, Dim.Named("pairs"));
        _all = [Positions, Whole, First, PairRows, PairPositions];
        for (var i = 0; i < moved.Count; i++)
        {
            var held = g.Input(HeldOf(moved[i].Name), DataType.Float, Dim.Of(1), Dim.Named($"held{i}"), moved[i].Shape![2]);
            var rows = g.Input(RowsOf(moved[i].Name), DataType.Int64, Dim.Named("rows"));
            _moved[moved[i]] = (held, rows);
            _all.AddRange([held, rows]);
        }
    }

    /// <summary>float32 [1, held, d]: a moved tensor, where any row of the batch needs it.</summary>
    public static string HeldOf(string moved) => "held/" + moved;

    /// <summary>int64 [rows]: which of what is held of a moved tensor each row takes.</summary>
    public static string RowsOf(string moved) => "held.rows/" + moved;

    public Value Positions { get; }
    public Value Whole { get; }
    public Value First { get; }
    public Value PairRows { get; }
    public Value PairPositions { get; }

    public IReadOnlyDictionary<Value, (Value Held, Value Rows)> Moved => _moved;

    public IReadOnlyList<Value> All => _all;
}
