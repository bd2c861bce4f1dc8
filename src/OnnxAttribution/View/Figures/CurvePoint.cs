namespace OnnxAttribution.View.Figures;

/// <summary>A row of a curve table.</summary>
/// <param name="Line">What the gradient says.</param>
/// <param name="Switched">A bend lies between the coefficient before and this one.</param>
internal readonly record struct CurvePoint(double Coefficient, float Activation, float Line, bool Switched, string? Cause);
