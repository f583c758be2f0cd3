// ONNX Runtime, through its Java package: an Add whose inputs and output are memory that it is given.
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtSession;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Map;

final class OnnxRuntime {
  private static final long[] SHAPE = {4};

  public static void main(String[] args) throws Exception {
    if (!args[0].equals("bound")) throw new IllegalArgumentException("OnnxRuntime bound <threads> <folder>");
    Path folder = Path.of(args[2]);
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    OrtSession.SessionOptions options = new OrtSession.SessionOptions();
    options.setIntraOpNumThreads(Integer.parseInt(args[1]));
    options.setInterOpNumThreads(1);
    OrtSession session = environment.createSession(folder.resolve("model.onnx").toString(), options);
    FloatBuffer out = ByteBuffer.allocateDirect(16).order(ByteOrder.nativeOrder()).asFloatBuffer();
    Map<String, OnnxTensor> inputs =
        Map.of(
            "x", OnnxTensor.createTensor(environment, Child.read(folder, "x").asFloatBuffer(), SHAPE),
            "other", OnnxTensor.createTensor(environment, Child.read(folder, "other").asFloatBuffer(), SHAPE));
    Map<String, OnnxTensor> outputs =
        Map.of(session.getOutputNames().iterator().next(), OnnxTensor.createTensor(environment, out, SHAPE));
    // What a run returns holds no memory of its own: the output is the one that was given.
    Child.Call call = () -> session.run(inputs, outputs).close();
    call.run();
    Child.serve(environment.getVersion(), Child.numbers(out), call);
  }
}
