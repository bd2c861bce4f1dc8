using OnnxAttribution.Onnx;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;

namespace OnnxAttribution.Autodiff;

/// <summary>What a run of moves is given.</summary>
internal sealed class MoveInputs
{
    /// <summary>int64 [rows], float32 [rows, d]: where each row stands, and the moved tensor there.</summary>
    public const string RowPosition = "rows.position", RowValue = "rows.value";

    /// <summary>int64 [whole]: the rows that become rows of the batch.</summary>
    public const string WholeRow = "whole.row";

    /// <summary>int64 [pairs]: an index into <see cref="WholeRow"/>, and the position at which that row is read.</summary>
    public const string PairRow = "pairs.row", PairPosition = "pairs.position";

    public MoveInputs(GraphBuilder g, Value moved)
    {
        Positions = g.Input(RowPosition, DataType.Int64, Dim.Named("rows"));
        Values = g.Input(RowValue, DataType.Float, Dim.Named("rows"), moved.Shape![2]);
        Whole = g.Input(WholeRow, DataType.Int64, Dim.Named("whole"));
        PairRows = g.Input(PairRow, DataType.Int64, Dim.Named("pairs"));
        PairPositions = g.Input(PairPosition, DataType.Int64, Dim.Named("pairs"));
        Moved = moved;
    }

    public Value Moved { get; }
    public Value Positions { get; }
    public Value Values { get; }
    public Value Whole { get; }
    public Value PairRows { get; }
    public Value PairPositions { get; }

    public IReadOnlyList<Value> All => [Positions, Values, Whole, PairRows, PairPositions];
}
