// Builds, runs and compares one case of an operator.
package io.weft.test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import io.weft.DataType;
import io.weft.ErrorCode;
import io.weft.Graph;
import io.weft.Results;
import io.weft.Session;
import io.weft.Tensor;
import io.weft.Value;
import io.weft.WeftException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** What the generated tests of the operators call. */
public final class Cases {
  private static final Set<DataType> INTEGERS =
      EnumSet.of(
          DataType.I8, DataType.U8, DataType.I16, DataType.U16, DataType.I32, DataType.U32, DataType.I64, DataType.U64,
          DataType.BOOL);

  private Cases() {}

  /** Adds the operator. */
  public interface Build {
    List<Value> outputs(Graph graph, List<Value> inputs);
  }

  /** A tensor of a type such as "f32[2,3]" and its elements as words; strings are given one by one. */
  public static Tensor tensor(String type, String... values) {
    int bracket = type.indexOf('[');
    DataType dtype = DataType.valueOf(type.substring(0, bracket).toUpperCase(Locale.ROOT));
    long[] shape = longs(type.substring(bracket + 1, type.length() - 1), ",");
    if (dtype == DataType.STRING) {
      Tensor flat = Tensor.of(values);
      try (flat) {
        return flat.reshape(shape);
      }
    }
    String[] words = values[0].isBlank() ? new String[0] : values[0].trim().split(" ");
    if (INTEGERS.contains(dtype) || dtype == DataType.F32 || dtype == DataType.F64) {
      Tensor made = Tensor.zeros(dtype, shape);
      ByteBuffer to = made.buffer();
      for (String word : words) put(to, dtype, word);
      assertFalse(to.hasRemaining(), type);
      return made;
    }
    return cast(tensor("f64" + type.substring(bracket), values), dtype);
  }

  /** A sequence of tensors, which it closes: the sequence shares their elements. */
  public static Tensor sequence(Tensor... items) {
    Tensor made = Tensor.sequence(List.of(items));
    close(List.of(items));
    return made;
  }

  private static void put(ByteBuffer to, DataType dtype, String word) {
    if (dtype == DataType.F32) {
      to.putFloat(Float.parseFloat(word));
    } else if (dtype == DataType.F64) {
      to.putDouble(Double.parseDouble(word));
    } else if (dtype == DataType.BOOL) {
      to.put((byte) (word.equals("true") ? 1 : 0));
    } else {
      long number = word.startsWith("-") ? Long.parseLong(word) : Long.parseUnsignedLong(word);
      switch (dtype.bits()) {
        case 8 -> to.put((byte) number);
        case 16 -> to.putShort((short) number);
        case 32 -> to.putInt((int) number);
        default -> to.putLong(number);
      }
    }
  }

  private static long[] longs(String text, String separator) {
    return text.isBlank()
        ? new long[0]
        : Arrays.stream(text.split(separator)).mapToLong(word -> Long.parseLong(word.trim())).toArray();
  }

  /** Another type for the same elements, for types that Java has no numbers for; closes the tensor. */
  private static Tensor cast(Tensor tensor, DataType dtype) {
    try (tensor;
        Graph graph = new Graph();
        Session session = new Session(graph)) {
      String shape = Arrays.stream(tensor.shape()).mapToObj(Long::toString).collect(Collectors.joining(","));
      Value x = graph.input("x", tensor.dtype(), shape);
      return session.run(Map.of(x, tensor), graph.ops().cast(x, dtype)).get(0);
    }
  }

  private static Results run(Build build, Graph graph, List<Tensor> inputs) {
    List<Value> values = new ArrayList<>();
    Map<Value, Tensor> feeds = new LinkedHashMap<>();
    List<Tensor> items = new ArrayList<>();
    try {
      for (int i = 0; i < inputs.size(); ++i) {
        Tensor given = inputs.get(i);
        if (given == null) {
          values.add(null);
        } else if (given.kind() == Tensor.Kind.SEQUENCE) {
          List<Value> parts = new ArrayList<>();
          for (int k = 0; k < given.count(); ++k) {
            items.add(given.at(k));
            parts.add(input(graph, "in" + i + "_" + k, items.get(items.size() - 1), feeds));
          }
          values.add(parts.isEmpty() ? graph.ops().sequenceEmpty() : graph.ops().sequenceConstruct(parts));
        } else {
          values.add(input(graph, "in" + i, given, feeds));
        }
      }
      List<Value> outputs = build.outputs(graph, values);
      try (Session session = new Session(graph)) {
        return session.run(feeds, outputs, List.of());
      }
    } finally {
      close(items);
    }
  }

  /** An input that is fed the tensor. */
  private static Value input(Graph graph, String name, Tensor tensor, Map<Value, Tensor> feeds) {
    String shape = Arrays.stream(tensor.shape()).mapToObj(Long::toString).collect(Collectors.joining(","));
    Value input = graph.input(name, tensor.dtype(), shape);
    feeds.put(input, tensor);
    return input;
  }

  /** Compares outputs with what is expected; null is not compared. Closes all tensors. */
  public static void check(Build build, List<Tensor> inputs, List<Tensor> expected, double relative, double absolute) {
    try (Graph graph = new Graph();
        Results results = run(build, graph, inputs)) {
      for (int i = 0; i < expected.size(); ++i) {
        if (expected.get(i) != null) compare("output " + i, expected.get(i), results.get(i), relative, absolute);
      }
    }
    close(inputs);
    close(expected);
  }

  /** Checks that building or running fails. Closes all tensors. */
  public static void fails(Build build, List<Tensor> inputs, ErrorCode code, String message) {
    try (Graph graph = new Graph()) {
      WeftException e = assertThrows(WeftException.class, () -> run(build, graph, inputs).close());
      assertEquals(code, e.code(), e.getMessage());
      assertTrue(e.getMessage().contains(message), e.getMessage());
      assertFalse(e.op().isEmpty(), e.getMessage());
    }
    close(inputs);
  }

  private static void close(List<Tensor> tensors) {
    for (Tensor tensor : tensors) {
      if (tensor != null) tensor.close();
    }
  }

  private static void compare(String what, Tensor expected, Tensor found, double relative, double absolute) {
    assertEquals(expected.kind(), found.kind(), what);
    if (expected.kind() == Tensor.Kind.SEQUENCE) {
      assertEquals(expected.count(), found.count(), what);
      for (int i = 0; i < expected.count(); ++i) {
        try (Tensor wanted = expected.at(i);
            Tensor got = found.at(i)) {
          compare(what + ", item " + i, wanted, got, relative, absolute);
        }
      }
      return;
    }
    assertEquals(expected.dtype(), found.dtype(), what);
    assertArrayEquals(expected.shape(), found.shape(), what);
    DataType dtype = expected.dtype();
    if (dtype == DataType.STRING) {
      assertArrayEquals(expected.toStringArray(), found.toStringArray(), what);
    } else if (INTEGERS.contains(dtype)) {
      assertArrayEquals(expected.toByteArray(), found.toByteArray(), what);
    } else {
      double[] wanted = numbers(expected);
      double[] got = numbers(found);
      for (int i = 0; i < wanted.length; ++i) {
        boolean same = Double.compare(wanted[i], got[i]) == 0 || wanted[i] == got[i];
        if (!same && !(Math.abs(wanted[i] - got[i]) <= absolute + relative * Math.abs(wanted[i]))) {
          fail(what + ", element " + i + ": expected " + wanted[i] + " but got " + got[i]);
        }
      }
    }
  }

  private static double[] numbers(Tensor tensor) {
    if (tensor.dtype() == DataType.F64) return tensor.toDoubleArray();
    try (Tensor wide = cast(tensor.copy(), DataType.F64)) {
      return wide.toDoubleArray();
    }
  }
}
