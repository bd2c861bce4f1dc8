Console.WriteLine("onnx-attribution");
return 0;
