using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using OnnxAttribution.Files;

namespace OnnxAttribution.Runtime;

/// <summary>The CUDA execution provider, in plain float32 (no TF32), and what is wrong where it does not load.</summary>
internal static class CudaProvider
{
    // in the order in which the provider needs them; the first that does not load is the culprit
    private static readonly string[] s_libraries =
        ["libcuda.so.1", "libcudart.so.13", "libcublasLt.so.13", "libcublas.so.13", "libcufft.so.12", "libcurand.so.10", "libcudnn.so.9"];

    public static void Append(SessionOptions options)
    {
        RequireLibraries();
        using var cuda = new OrtCUDAProviderOptions();
        cuda.UpdateOptions(
            new Dictionary<string, string> { ["device_id"] = "0", ["use_tf32"] = "0", ["arena_extend_strategy"] = "kSameAsRequested" });
        try
        {
            options.AppendExecutionProvider_CUDA(cuda);
        }
        catch (OnnxRuntimeException e)
        {
            throw Unusable($"ONNX Runtime's CUDA provider does not start ({e.Message.Split('\n')[0]}); check the driver", e);
        }
    }

    private static void RequireLibraries()
    {
        if (!OperatingSystem.IsLinux()) return;
        foreach (var provider in (string[])["libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"])
        {
            if (!File.Exists(Path.Combine(AppContext.BaseDirectory, provider)))
            {
                throw Unusable($"{provider} is not beside the program; run 'make gpu' (it adds the CUDA 13 provider)");
            }
        }
        foreach (var library in s_libraries)
        {
            if (!NativeLibrary.TryLoad(library, out _))
            {
                throw Unusable($"{library} cannot be loaded; "
                    + "install the NVIDIA driver, CUDA 13 and cuDNN 9 and put them on LD_LIBRARY_PATH");
            }
        }
    }

    private static DeviceException Unusable(string problem, Exception? inner = null) =>
        new($"the device cuda cannot be used: {problem}, or use the device cpu", inner) { Settings = [Setting.Device] };
}
