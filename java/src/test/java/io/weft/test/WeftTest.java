// The library as a whole: version, devices, operators, layers, log.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.Weft;
import io.weft.WeftException;
import org.junit.jupiter.api.Test;

class WeftTest {
  @Test
  void knowsItself() {
    assertEquals("0.1.0", Weft.version());
    assertEquals("cpu", Weft.devices().get(0));
    assertTrue(Weft.threads() >= 1);
    assertTrue(Weft.operators().contains("MatMul") && Weft.operators().contains("weft.Adam"));
    assertTrue(Weft.layers().contains("Dense"));
    assertTrue(Weft.describeOperator("MatMul").startsWith("{\"name\": \"MatMul\""));
    assertTrue(Weft.describeLayer("Dense").contains("units"));
    WeftException e = assertThrows(WeftException.NotFound.class, () -> Weft.describeOperator("MatMull"));
    assertTrue(e.getMessage().contains("MatMul"), e.getMessage());
    assertThrows(NullPointerException.class, () -> Weft.describeLayer(null));
    assertThrows(IllegalArgumentException.class, () -> Weft.describeOperator("a\0b"));
  }

  @Test
  void logLevelsAreChecked() {
    Weft.setLog((level, text) -> {}, System.Logger.Level.WARNING);
    Weft.setLog(null, System.Logger.Level.WARNING);
    assertThrows(IllegalArgumentException.class, () -> Weft.setLog(null, System.Logger.Level.OFF));
  }
}
