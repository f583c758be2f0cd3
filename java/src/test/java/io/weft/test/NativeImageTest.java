// GraalVM's configuration in the JAR names what is there.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.Weft;
import java.io.InputStream;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class NativeImageTest {
  @Test
  void everyCallbackIsListedWithItsParameters() throws Exception {
    String json;
    try (InputStream in = Weft.class.getResourceAsStream("/META-INF/native-image/io.weft/weft/jni-config.json")) {
      json = new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
    Set<String> listed =
        Pattern.compile("\"name\": \"(\\w+)\", \"parameterTypes\": \\[([^]]*)\\]")
            .matcher(json.replace("[]", "#"))
            .results()
            .map(NativeImageTest::method)
            .collect(Collectors.toCollection(TreeSet::new));
    Set<String> there = new TreeSet<>();
    for (Method method : Class.forName("io.weft.Callbacks").getDeclaredMethods()) {
      if (method.isSynthetic()) continue;
      there.add(
          method.getName()
              + Arrays.stream(method.getParameterTypes()).map(Class::getCanonicalName).toList());
    }
    assertEquals(there, listed);
    assertTrue(json.contains("io.weft.Callbacks"));
  }

  private static String method(MatchResult found) {
    String parameters = found.group(2).replace("#", "[]").replace("\"", "");
    return found.group(1) + "[" + parameters + "]";
  }
}
