/* Safetensors files that lie: headers whose sizes and offsets are not true, and files with any one byte another. Whoever
 * reads one gets an error or whole tensors, and a session that gets an error keeps its variables. */
#define _POSIX_C_SOURCE 200809L
#include <unistd.h>

#include "support.h"

static char folder[] = "/tmp/weft_hostile_XXXXXX";
static char path[64];
static weft_options* mapped;

static void put(const char* bytes, size_t size) {
  FILE* file = fopen(path, "wb");
  if (file == NULL || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) exit(1);
}
static size_t get(char* bytes, size_t size) {
  FILE* file = fopen(path, "rb");
  size_t got;
  if (file == NULL) exit(1);
  got = fread(bytes, 1, size, file);
  fclose(file);
  return got;
}

/* Every way to read the file fails with this code and words, and the variable stays at 2. */
static void expect_refused(const Counting* c, int32_t code, const char* part) {
  weft_tensors* read;
  weft_dataset* dataset;
  FAILS(weft_tensors_load(path, NULL, &read), code, part);
  EXPECT(read == NULL);
  FAILS(weft_tensors_load(path, mapped, &read), code, part);
  EXPECT(read == NULL);
  FAILS(weft_dataset_load(path, NULL, 0, NULL, &dataset), code, part);
  EXPECT(dataset == NULL);
  FAILS(weft_session_load(c->session, path, NULL), code, part);
  EXPECT(variable(c) == 2);
}

/* Writes a file of 8 bytes of data that claims a tensor 'w' of f32 of this shape at these offsets. */
static void put_entry(const char* shape, const char* offsets) {
  static const char format[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":%s}}";
  char bytes[256] = {0};
  const int size = snprintf(bytes + 8, sizeof bytes - 16, format, shape, offsets);
  bytes[0] = (char)size; /* of 8 bytes, little-endian; it is less than 128 */
  put(bytes, 8 + (size_t)size + 8);
}

static void test_sizes_and_offsets_that_lie(const Counting* c) {
  static const struct {
    const char *shape, *offsets, *part;
  } lies[] = {
      {"[3]", "[0,8]", "'w' is f32[3] but has 8 bytes"},
      {"[2]", "[8,16]", "'w' lies at bytes 8 to 16"},
      {"[2]", "[8,0]", "'w' lies at bytes 8 to 0"},
      {"[2]", "[-8,0]", "'w' lies at bytes -8 to 0"},
      {"[2]", "[0,9223372036854775807]", "'w' lies at bytes 0 to 9223372036854775807"},
      {"[2]", "[0,18446744073709551624]", "data_offsets of tensor 'w'"},             /* 2^64 + 8 */
      {"[4611686018427387906]", "[0,8]", "'w' is f32[4611686018427387906] but has"}, /* 2^62 + 2, times 4 */
      {"[4294967296,4294967296]", "[0,8]", "has too many elements"},
      {"[-2]", "[0,8]", "a dimension that is no size"},
  };
  static const char far[8] = {-1, -1, -1, -1, -1, -1, -1, 127}; /* a header of 2^63 - 1 bytes */
  weft_tensors* read;
  size_t i;
  put_entry("[2]", "[0,8]"); /* the truth */
  CHECK(weft_tensors_load(path, NULL, &read));
  EXPECT(weft_tensors_count(read) == 1);
  weft_tensors_free(read);
  for (i = 0; i < sizeof lies / sizeof *lies; ++i) {
    put_entry(lies[i].shape, lies[i].offsets);
    expect_refused(c, WEFT_DATA_LOSS, lies[i].part);
  }
  put(far, 8);
  expect_refused(c, WEFT_DATA_LOSS, "the header claims 9223372036854775807 bytes");
  put(far, 7);
  expect_refused(c, WEFT_DATA_LOSS, "it has 7 bytes");
  put(far, 0);
  expect_refused(c, WEFT_DATA_LOSS, "it has 0 bytes");
}

/* A tensor that was read is whole: its elements can be read. */
static unsigned sum_of_bytes(const weft_tensor* tensor) {
  const unsigned char* bytes = (const unsigned char*)weft_tensor_data(tensor);
  unsigned sum = 0;
  size_t i;
  for (i = 0; i < weft_tensor_bytes(tensor); ++i) sum += bytes[i];
  return sum;
}

/* Each way to read the file gives an error that says why, or whole tensors. */
static void read_flipped(const Counting* c, int64_t live) {
  int i;
  weft_status* status;
  for (i = 0; i < 2; ++i) {
    weft_tensors* read;
    weft_tensor* tensor;
    status = weft_tensors_load(path, i == 0 ? NULL : mapped, &read);
    EXPECT((status == NULL) == (read != NULL) && weft_status_code(status) != WEFT_INTERNAL);
    if (read != NULL) {
      EXPECT(weft_tensors_count(read) == 1);
      CHECK(weft_tensors_at(read, 0, &tensor));
      EXPECT(sum_of_bytes(tensor) <= 4 * 255);
      weft_tensor_free(tensor);
    }
    weft_status_free(status);
    weft_tensors_free(read);
  }
  status = weft_session_load(c->session, path, NULL);
  EXPECT(status == NULL || variable(c) == 2);
  EXPECT(weft_status_code(status) != WEFT_INTERNAL);
  if (status == NULL) {
    weft_tensor* two = scalar(2);
    CHECK(weft_session_set(c->session, "w", two));
    weft_tensor_free(two);
  }
  weft_status_free(status);
  EXPECT(weft_live_objects() == live);
}

static void test_any_byte_another(const Counting* c) {
  static const unsigned char flips[] = {0x01, 0x20, 0x80, 0xff};
  char bytes[512];
  const int64_t live = weft_live_objects();
  size_t size, i, flip;
  CHECK(weft_session_save(c->session, path));
  size = get(bytes, sizeof bytes);
  EXPECT(size > 12 && size < sizeof bytes);
  for (i = 0; i < size; ++i) {
    for (flip = 0; flip < sizeof flips; ++flip) {
      const char kept = bytes[i];
      bytes[i] = (char)((unsigned char)kept ^ flips[flip]);
      put(bytes, size);
      read_flipped(c, live);
      bytes[i] = kept;
    }
  }
  bytes[size - 1] ^= 1; /* of the number itself, which nothing can find wrong */
  put(bytes, size);
  CHECK(weft_session_load(c->session, path, NULL));
  EXPECT(variable(c) == 8); /* 0x41000000 */
}

int main(void) {
  Counting c = counting();
  weft_tensor* two = scalar(2);
  if (mkdtemp(folder) == NULL) return 1;
  snprintf(path, sizeof path, "%s/a.safetensors", folder);
  CHECK(weft_options_new("load", &mapped));
  CHECK(weft_options_set_int(mapped, "map", 1));
  CHECK(weft_session_set(c.session, "w", two));
  test_sizes_and_offsets_that_lie(&c);
  test_any_byte_another(&c);
  remove(path);
  EXPECT(rmdir(folder) == 0);
  weft_options_free(mapped);
  weft_tensor_free(two);
  discard(&c);
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
