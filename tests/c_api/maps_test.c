/* Maps: of a classifier's probabilities, fed to a model that takes one, and what is no map. */
#include "support.h"

/* DictVectorizer with the vocabulary a, b, c: x, a map from strings to f32, gives y, f32[1, 3]. Written with onnx. */
static const char kModel[] =
    "\010\010\022\000:p\nC\n\001x\022\001y\"\016DictVectorizer*\037\n\021string_"
    "vocabularyJ\001aJ\001bJ\001c\240\001\010:\n"
    "ai.onnx.ml\022\001gZ\021\n\001x\022\014*"
    "\n\010\010\022\006\n\004\010\001\022\000b\023\n\001y\022\016\n\014\010\001\022"
    "\010\n\002\010\001\n\002\010\003B\016\n\nai.onnx.ml\020\001B\004\n\000\020\024";

static weft_tensor* vector(const float* numbers, int64_t count) {
  weft_tensor* tensor;
  CHECK(weft_tensor_new_copy(WEFT_F32, &count, 1, numbers, (size_t)count * sizeof(float), &tensor));
  return tensor;
}
static weft_tensor* keys_of(const char* const* names, int64_t count) {
  weft_tensor* keys;
  CHECK(weft_tensor_new_strings(&count, 1, names, NULL, count, &keys));
  return keys;
}
static const char* const kNames[2] = {"c", "a"};
static const float kNumbers[4] = {2, 1.5f, 3, 4};

static void are_made_and_read(void) {
  weft_tensor *keys = keys_of(kNames, 2), *values = vector(kNumbers, 2), *map, *part, *maps, *optional = NULL;
  CHECK(weft_tensor_new_map(keys, values, &map));
  EXPECT(weft_tensor_kind(map) == WEFT_MAP && weft_tensor_count(map) == 2);
  EXPECT(weft_tensor_dtype(map) == 0 && weft_tensor_data(map) == NULL && weft_tensor_bytes(map) == 0);
  CHECK(weft_tensor_at(map, 0, &part));
  EXPECT(strcmp(weft_tensor_string(part, 1, NULL), "a") == 0);
  weft_tensor_free(part);
  CHECK(weft_tensor_at(map, 1, &part));
  EXPECT(((const float*)weft_tensor_data(part))[0] == 2);
  weft_tensor_free(part);
  FAILS(weft_tensor_at(map, 2, &part), WEFT_OUT_OF_RANGE, "there is no item 2");
  CHECK(weft_tensor_new_sequence((const weft_tensor* const*)&map, 1, &maps));
  EXPECT(weft_tensor_count(maps) == 1);
  FAILS(weft_tensor_new_optional(maps, &optional), WEFT_INVALID_ARGUMENT, "a tensor or a sequence of tensors");
  FAILS(weft_tensor_new_optional(map, &optional), WEFT_INVALID_ARGUMENT, "a tensor or a sequence of tensors");
  EXPECT(optional == NULL);
  weft_tensor_free(maps);
  weft_tensor_free(map);
  weft_tensor_free(keys);
  weft_tensor_free(values);
}

static void what_is_none(void) {
  static const char* const twice[2] = {"a", "a"};
  const int64_t two = 2, square[2] = {1, 2}, numbers[2] = {4, 4};
  weft_tensor *keys = keys_of(kNames, 2), *same = keys_of(twice, 2), *values = vector(kNumbers, 2),
              *more = vector(kNumbers, 4), *matrix, *integers, *sequence = NULL, *map = NULL, *mixed[2];
  CHECK(weft_tensor_reshape(keys, square, 2, &matrix));
  CHECK(weft_tensor_new_copy(WEFT_I64, &two, 1, numbers, sizeof numbers, &integers));
  FAILS(weft_tensor_new_map(same, values, &map), WEFT_INVALID_ARGUMENT, "the key a is there twice");
  FAILS(weft_tensor_new_map(integers, values, &map), WEFT_INVALID_ARGUMENT, "the key 4 is there twice");
  FAILS(weft_tensor_new_map(values, values, &map), WEFT_INVALID_ARGUMENT,
        "the keys are f32[2] but must be i64 or strings");
  FAILS(weft_tensor_new_map(keys, more, &map), WEFT_INVALID_ARGUMENT, "must be two tensors [n] of one length");
  FAILS(weft_tensor_new_map(matrix, values, &map), WEFT_INVALID_ARGUMENT, "must be two tensors [n] of one length");
  EXPECT(map == NULL);
  CHECK(weft_tensor_new_map(keys, values, &map));
  mixed[0] = values;
  mixed[1] = map;
  FAILS(weft_tensor_new_sequence((const weft_tensor* const*)mixed, 2, &sequence), WEFT_INVALID_ARGUMENT,
        "item 1 is a map of 2 from string to f32");
  weft_tensor_free(map);
  EXPECT(sequence == NULL);
  weft_tensor_free(integers);
  weft_tensor_free(matrix);
  weft_tensor_free(more);
  weft_tensor_free(values);
  weft_tensor_free(same);
  weft_tensor_free(keys);
}

static void are_fed(void) {
  weft_tensor *keys = keys_of(kNames, 2), *values = vector(kNumbers, 2), *map, *row = NULL;
  const weft_tensor* fed;
  weft_graph* graph;
  weft_session* session;
  int64_t x, y;
  int32_t kind;
  CHECK(weft_tensor_new_map(keys, values, &map));
  CHECK(weft_graph_load_bytes(kModel, sizeof kModel - 1, NULL, NULL, &graph));
  CHECK(weft_graph_find(graph, "x", &x));
  CHECK(weft_graph_find(graph, "y", &y));
  CHECK(weft_graph_value(graph, x, NULL, &kind, NULL, NULL));
  EXPECT(kind == WEFT_MAP);
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  fed = map;
  CHECK(weft_session_run(session, &x, &fed, 1, &y, 1, NULL, 0, NULL, &row));
  EXPECT(weft_tensor_count(row) == 3);
  EXPECT(memcmp(weft_tensor_data(row), (const float[]){1.5f, 0, 2}, 3 * sizeof(float)) == 0);
  weft_tensor_free(row);
  fed = values;
  FAILS(weft_session_run(session, &x, &fed, 1, &y, 1, NULL, 0, NULL, &row), WEFT_INVALID_ARGUMENT,
        "is f32[2] but must be map(string, f32)");
  weft_session_free(session);
  weft_graph_free(graph);
  weft_tensor_free(map);
  weft_tensor_free(values);
  weft_tensor_free(keys);
}

static void are_probabilities(void) {
  const int64_t shape[2] = {2, 2}, labels[2] = {7, 3};
  weft_tensor *given, *maps = NULL, *second, *part;
  weft_graph* graph;
  weft_session* session;
  weft_attrs* attrs;
  int64_t x, z;
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_input(graph, "x", WEFT_F32, "n,2", WEFT_ORIGIN, &x));
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_ints(attrs, "classlabels_int64s", labels, 2));
  CHECK(weft_graph_add(graph, "ai.onnx.ml.ZipMap", &x, 1, attrs, NULL, WEFT_ORIGIN, &z, 1));
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  CHECK(weft_tensor_new_copy(WEFT_F32, shape, 2, kNumbers, sizeof kNumbers, &given));
  CHECK(weft_session_run(session, &x, (const weft_tensor* const*)&given, 1, &z, 1, NULL, 0, NULL, &maps));
  EXPECT(weft_tensor_kind(maps) == WEFT_SEQUENCE && weft_tensor_count(maps) == 2);
  CHECK(weft_tensor_at(maps, 1, &second));
  CHECK(weft_tensor_at(second, 0, &part));
  EXPECT(memcmp(weft_tensor_data(part), labels, sizeof labels) == 0);
  { /* of its own, as all that a run gives */
    weft_tensor *first, *keys;
    void* data;
    CHECK(weft_tensor_mutable(part, &data));
    *(int64_t*)data = 8;
    CHECK(weft_tensor_at(maps, 0, &first));
    CHECK(weft_tensor_at(first, 0, &keys));
    EXPECT(memcmp(weft_tensor_data(keys), labels, sizeof labels) == 0);
    weft_tensor_free(keys);
    weft_tensor_free(first);
  }
  weft_tensor_free(part);
  CHECK(weft_tensor_at(second, 1, &part));
  EXPECT(((const float*)weft_tensor_data(part))[1] == 4);
  weft_tensor_free(part);
  weft_tensor_free(second);
  weft_tensor_free(maps);
  weft_tensor_free(given);
  weft_attrs_free(attrs);
  weft_session_free(session);
  weft_graph_free(graph);
}

int main(void) {
  are_made_and_read();
  what_is_none();
  are_fed();
  are_probabilities();
  EXPECT(weft_live_objects() == 0);
  return failures != 0;
}
