// The library as a whole: version, devices, operators, layers, log.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.DataType;
import io.weft.Graph;
import io.weft.Session;
import io.weft.SessionOptions;
import io.weft.Tensor;
import io.weft.Value;
import io.weft.Weft;
import io.weft.WeftException;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WeftTest {
  @Test
  void knowsItself() {
    assertEquals("0.1.0", Weft.version());
    assertEquals("cpu", Weft.devices().get(0));
    assertTrue(Weft.threads() >= 1);
    assertTrue(Weft.operators().contains("MatMul") && Weft.operators().contains("weft.Adam"));
    assertTrue(Weft.layerTypes().contains("Dense"));
    assertTrue(Weft.describeOperator("MatMul").startsWith("{\"name\": \"MatMul\""));
    assertTrue(Weft.describeLayer("Dense").contains("units"));
    WeftException e = assertThrows(WeftException.NotFound.class, () -> Weft.describeOperator("MatMull"));
    assertTrue(e.getMessage().contains("MatMul"), e.getMessage());
    assertThrows(NullPointerException.class, () -> Weft.describeLayer(null));
    assertThrows(IllegalArgumentException.class, () -> Weft.describeOperator("a\0b"));
    assertThrows(IllegalArgumentException.class, () -> Weft.describeOperator("a\uD83E"));
  }

  @Test
  void inspectsModels(@TempDir Path folder) throws IOException {
    Path path = folder.resolve("double.onnx");
    try (Graph graph = new Graph()) {
      Value x = graph.input("x", DataType.F32, "n");
      graph.save(path, List.of(graph.ops().add(x, x)), null, null);
    }
    String model = Weft.inspect(path);
    assertTrue(model.contains("\"inputs\": [{\"name\": \"x\", \"type\": \"f32[n]\"}]"), model);
    assertTrue(model.contains("\"operators\": {\"Add\": 1}") && model.contains("\"unsupported\": []"), model);
    assertEquals(model, Weft.inspect(Files.readAllBytes(path), null));
    assertThrows(WeftException.NotFound.class, () -> Weft.inspect(folder.resolve("none.onnx")));
    assertThrows(WeftException.DataLoss.class, () -> Weft.inspect(new byte[] {8}, folder));
    assertThrows(NullPointerException.class, () -> Weft.inspect((Path) null));
  }

  @Test
  void saysWhichDevicesThereAre() {
    WeftException e =
        assertThrows(WeftException.NotFound.class, () -> Weft.loadDevices("/nowhere/libweft_none.so"));
    assertTrue(e.getMessage().contains("'/nowhere/libweft_none.so' cannot be loaded"), e.getMessage());
    assertThrows(NullPointerException.class, () -> Weft.loadDevices(null));
    try (Graph graph = new Graph()) {
      SessionOptions options = new SessionOptions().device("cuda:0");
      e = assertThrows(WeftException.NotFound.class, () -> new Session(graph, options));
      assertTrue(e.getMessage().contains("there is no device 'cuda:0'; the devices are cpu"), e.getMessage());
    }
  }

  @Test
  void everyClassLoaderHasTheOneCore() throws Exception {
    URL[] classes = {Weft.class.getProtectionDomain().getCodeSource().getLocation()};
    for (int i = 0; i < 2; ++i) {
      try (URLClassLoader loader = new URLClassLoader(classes, ClassLoader.getPlatformClassLoader());
          Tensor mine = Tensor.scalar(1f)) {
        Class<?> weft = loader.loadClass("io.weft.Weft");
        assertNotSame(Weft.class, weft);
        assertEquals(mine.toFloat(), 1f);
        assertEquals(Weft.liveObjects(), weft.getMethod("liveObjects").invoke(null));
        // Errors and callbacks come to the classes of the loader that called.
        Method describe = weft.getMethod("describeOperator", String.class);
        Throwable thrown = assertThrows(InvocationTargetException.class, () -> describe.invoke(null, "MatMull")).getCause();
        assertEquals(loader.loadClass("io.weft.WeftException$NotFound"), thrown.getClass());
      }
    }
  }

  @Test
  void logLevelsAreChecked() {
    Weft.setLog((level, text) -> {}, System.Logger.Level.WARNING);
    Weft.setLog(null, System.Logger.Level.WARNING);
    assertThrows(IllegalArgumentException.class, () -> Weft.setLog(null, System.Logger.Level.OFF));
  }
}
