using System.Diagnostics;
using OnnxAttribution.Attribution;
using OnnxAttribution.Export;
using OnnxAttribution.Onnx;
using OnnxAttribution.Runtime;
using DataType = OnnxAttribution.Onnx.Proto.TensorProto.Types.DataType;
var shape = new SyntheticShape();
var b = GraphBenchmark.Prepare("/tmp/benchcache", shape, Console.Error.WriteLine, default);
var ctx = new RunContext();
var m = AttributionModel.Open(b, null, ctx);
int[] prompt = [50256, .. Enumerable.Range(1, 15)];
var x = ModelPass.Run(m, MetricKind.Logit, prompt, 15, -1, -1);
// warm all
for (int i = 0; i < 6; i++) m.Encoder.Encode(m.DictionaryAt(i)!, x.Sites[m.Selected[i].Name], 16);
var rate = GemmLimit.Measure(ctx);
Console.WriteLine($"rate {rate / 1e9:f0}, encode floor {16.0 * 2 * 768 * 24576 / rate * 1000:f1} ms");
foreach (var variant in new[] { "matmul", "gemm", "gemm+relu", "full" })
{
    var g = new GraphBuilder("sae/");
    Dim t = Dim.Named("position"), d = Dim.Named("d"), n = Dim.Named("n");
    var xi = g.Input("x", DataType.Float, t, d); var w = g.Input("W_enc", DataType.Float, d, n); var be = g.Input("b_enc", DataType.Float, n);
    Value y = variant == "matmul" ? g.MatMul(xi, w) : g.Emit("Gemm", [xi, w, be]);
    if (variant is "gemm+relu" or "full") y = g.Relu(y);
    if (variant == "full") { var nz = g.Emit("NonZero", [y]); y = g.Emit("GatherND", [y, g.Transpose(nz, 1, 0)]); }
    var o = g.Identity(y, "out");
    using var r = new GraphRunner(new OnnxGraph([xi, w, be], [o]), ctx);
    var times = new List<double>();
    for (int k = 0; k < 5; k++)
        for (int i = 0; i < 6; i++)
        {
            var dict = m.DictionaryAt(i)!;
            using var feed = new Feed().Add("x", x.Sites[m.Selected[i].Name], 16, 768).Add("W_enc", dict.EncoderWeights, 768, 24576).Add("b_enc", dict.EncoderBias, 24576);
            var s = Stopwatch.GetTimestamp();
            using var res = r.Run(feed.Values, ["out"]);
            times.Add(Stopwatch.GetElapsedTime(s).TotalMilliseconds);
        }
    times.Sort();
    Console.WriteLine($"{variant,-10} median {times[15]:f1} min {times[0]:f1}");
}
{
    var times = new List<double>();
    for (int k = 0; k < 5; k++) for (int i = 0; i < 6; i++) { var s = Stopwatch.GetTimestamp(); m.Encoder.Encode(m.DictionaryAt(i)!, x.Sites[m.Selected[i].Name], 16); times.Add(Stopwatch.GetElapsedTime(s).TotalMilliseconds); }
    times.Sort(); Console.WriteLine($"Encode median {times[15]:f1} min {times[0]:f1}");
}
{   // pure read bandwidth
    var dict = m.DictionaryAt(0)!; var times = new List<double>();
    for (int k = 0; k < 10; k++) { var s = Stopwatch.GetTimestamp(); Parallel.For(0, 2, h => { System.Numerics.Tensors.TensorPrimitives.Sum<float>(dict.EncoderWeights.Span.Slice(h * 9437184, 9437184)); }); times.Add(Stopwatch.GetElapsedTime(s).TotalMilliseconds); }
    times.Sort(); Console.WriteLine($"read 75MB median {times[5]:f1} min {times[0]:f1}");
}
