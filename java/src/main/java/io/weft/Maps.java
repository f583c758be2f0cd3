// Keys and values of maps as tensors and back.
package io.weft;

import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

final class Maps {
  private Maps() {}

  /** A tensor [n] of objects that are all of one class. */
  static Tensor tensorOf(Collection<?> items, String what) {
    List<?> list = Check.items(items.stream().toList(), what);
    if (list.isEmpty()) {
      throw new IllegalArgumentException("a map without entries does not say of what type its " + what + " are");
    }
    Class<?> type = list.get(0).getClass();
    for (Object item : list) {
      if (item.getClass() == type) continue;
      throw new IllegalArgumentException(
          "the " + what + " are of two classes, " + type.getSimpleName() + " and " + item.getClass().getSimpleName());
    }
    if (type == String.class) return Tensor.of(list.toArray(String[]::new));
    if (type == Long.class) return Tensor.of(list.stream().mapToLong(item -> (Long) item).toArray());
    if (type == Double.class) return Tensor.of(list.stream().mapToDouble(item -> (Double) item).toArray());
    if (type == Float.class) {
      float[] values = new float[list.size()];
      for (int i = 0; i < values.length; ++i) values[i] = (Float) list.get(i);
      return Tensor.of(values);
    }
    throw new IllegalArgumentException(
        "the " + what + " are of the class " + type.getSimpleName() + " but must be String, Long, Float or Double");
  }

  /** The elements of a tensor as objects of that class. */
  static <T> List<T> listOf(Tensor tensor, Class<T> type) {
    if (type == String.class) return cast(Arrays.asList(tensor.toStringArray()), type);
    if (type == Long.class) return cast(Arrays.stream(tensor.toLongArray()).boxed().toList(), type);
    if (type == Float.class) {
      float[] values = tensor.toFloatArray();
      Float[] boxed = new Float[values.length];
      Arrays.setAll(boxed, i -> values[i]);
      return cast(Arrays.asList(boxed), type);
    }
    if (type == Double.class) {
      if (tensor.dtype() != DataType.F64) {
        throw new IllegalArgumentException("the tensor is " + tensor + ", and this reads f64");
      }
      return cast(Arrays.stream(tensor.toDoubleArray()).boxed().toList(), type);
    }
    throw new IllegalArgumentException(
        "the class must be String, Long, Float or Double but is " + (type == null ? "null" : type.getSimpleName()));
  }

  private static <T> List<T> cast(List<?> items, Class<T> type) {
    return items.stream().map(type::cast).toList();
  }

  static <K, V> Map<K, V> mapOf(List<K> keys, List<V> values) {
    Map<K, V> map = new LinkedHashMap<>();
    for (int i = 0; i < keys.size(); ++i) map.put(keys.get(i), values.get(i));
    return map;
  }
}
