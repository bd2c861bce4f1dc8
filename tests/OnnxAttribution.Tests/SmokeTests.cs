namespace OnnxAttribution.Tests;

public class SmokeTests
{
    [Fact]
    public void Native_runtime_loads() => Assert.StartsWith("1.31", Microsoft.ML.OnnxRuntime.OrtEnv.Instance().GetVersionString());
}
