using OnnxAttribution.Onnx;

namespace OnnxAttribution.Autodiff;

/// <summary>Whole cotangents [N, …, K, J] of one factor of a matrix product, left as what they are the outer products of.</summary>
/// <param name="At">The factor y of z = x y, [.., K, J].</param>
/// <param name="Left">x in rows, [1, …, N, K].</param>
/// <param name="Right">z̄ in rows, [1, …, N, J].</param>
/// <param name="HasRows">y has a row per position (K = T), as values have; else a column (J = T), as transposed keys have.</param>
internal sealed record OuterCotangent(Value At, Value Left, Value Right, bool HasRows);
