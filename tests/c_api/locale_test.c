/* Numbers read and written while the program's locale has a comma in them. */
#define _POSIX_C_SOURCE 200809L
#include <locale.h>
#include <unistd.h>

#include "support.h"

/* Takes a locale with a comma: one that the machine has, or one made in the folder; 0 if there is none. */
static int take_comma_locale(const char* folder) {
  static const char* const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8"};
  char command[256];
  size_t i, made;
  for (made = 0; made < 2; ++made) {
    for (i = 0; i < sizeof names / sizeof *names; ++i) {
      if (setlocale(LC_ALL, names[i]) != NULL) return 1;
    }
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 '%s/de_DE.UTF-8' >/dev/null 2>&1", folder);
    if (made == 0 && system(command) != 0) return 0;
    setenv("LOCPATH", folder, 1);
  }
  return 0;
}

static void test_csv(const char* folder) {
  static const char text[] = "a,b\n1.5,-2e-3\n0.25,1234567\n";
  char path[128];
  weft_tensors* read;
  weft_tensor* data;
  FILE* file;
  snprintf(path, sizeof path, "%s/numbers.csv", folder);
  file = fopen(path, "w");
  if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0) exit(1);
  CHECK(weft_tensors_load(path, NULL, &read));
  CHECK(weft_tensors_find(read, "data", &data));
  EXPECT(weft_tensor_count(data) == 4 && weft_tensor_dims(data)[0] == 2);
  EXPECT(at(data, 0) == 1.5f && at(data, 1) == -2e-3f && at(data, 2) == 0.25f && at(data, 3) == 1234567);
  weft_tensor_free(data);
  weft_tensors_free(read);
  file = fopen(path, "w");
  if (file == NULL || fputs("a;b\n1,5;2\n", file) < 0 || fclose(file) != 0) exit(1);
  FAILS(weft_tensors_load(path, NULL, &read), WEFT_INVALID_ARGUMENT, ""); /* a comma is no point */
  remove(path);
}

/* Attributes and initial values in a graph, in what is printed of it and in files. */
static void test_graph(const char* folder) {
  weft_graph *graph, *loaded;
  weft_session* session;
  weft_attrs* attrs;
  weft_options* training;
  weft_tensor *in = scalar(-2), *out, *quarter = scalar(0.25f), *strings;
  weft_bytes* text;
  char model[128], checkpoint[128];
  const char* const words[2] = {"1.5", "-2e-3"};
  const int64_t two = 2;
  int64_t x, y, w, step, initial, numbers, pair[2];
  snprintf(model, sizeof model, "%s/model.onnx", folder);
  snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint.safetensors", folder);
  CHECK(weft_graph_new(0, &graph));
  CHECK(weft_graph_add_input(graph, "x", WEFT_F32, "", WEFT_ORIGIN, &x));
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_float(attrs, "alpha", 0.125));
  CHECK(weft_graph_add(graph, "LeakyRelu", &x, 1, attrs, "leaky", WEFT_ORIGIN, &y, 1));
  CHECK(weft_graph_add_constant(graph, quarter, NULL, WEFT_ORIGIN, &initial));
  CHECK(weft_graph_add_variable(graph, "w", initial, 1, WEFT_ORIGIN, &w));
  pair[0] = w, pair[1] = binary(graph, "Mul", w, constant(graph, 0.5f));
  CHECK(weft_graph_add(graph, "weft.Assign", pair, 2, NULL, "halve", WEFT_ORIGIN, &step, 1));
  CHECK(weft_graph_convert(graph, "text", &text));
  EXPECT(strstr(weft_bytes_data(text), "0.125") != NULL && strstr(weft_bytes_data(text), "0,125") == NULL);
  weft_bytes_free(text);
  CHECK(weft_graph_convert(graph, "dot", &text));
  EXPECT(strstr(weft_bytes_data(text), "0,125") == NULL);
  weft_bytes_free(text);
  CHECK(weft_session_new(graph, NULL, NULL, &session));
  CHECK(weft_session_run(session, &x, (const weft_tensor* const*)&in, 1, &y, 1, &step, 1, NULL, &out));
  EXPECT(at(out, 0) == -0.25f);
  weft_tensor_free(out);
  CHECK(weft_session_save(session, checkpoint));
  CHECK(weft_options_new("save", &training));
  CHECK(weft_options_set_int(training, "training", 1));
  pair[0] = y, pair[1] = step;
  CHECK(weft_graph_save(graph, pair, 2, NULL, model, training));
  weft_session_free(session);
  weft_graph_free(graph);
  CHECK(weft_graph_load(model, NULL, &loaded));
  CHECK(weft_session_new(loaded, NULL, NULL, &session));
  CHECK(weft_session_get(session, "w", &out));
  EXPECT(at(out, 0) == 0.25f);
  weft_tensor_free(out);
  CHECK(weft_session_load(session, checkpoint, NULL));
  CHECK(weft_session_get(session, "w", &out));
  EXPECT(at(out, 0) == 0.125f);
  weft_tensor_free(out);
  x = weft_graph_input(loaded, 0);
  CHECK(weft_graph_find(loaded, "leaky", &y));
  CHECK(weft_session_run(session, &x, (const weft_tensor* const*)&in, 1, &y, 1, NULL, 0, NULL, &out));
  EXPECT(at(out, 0) == -0.25f);
  weft_tensor_free(out);
  /* Numbers from strings. */
  CHECK(weft_tensor_new_strings(&two, 1, words, NULL, 2, &strings));
  CHECK(weft_graph_add_constant(loaded, strings, NULL, WEFT_ORIGIN, &numbers));
  weft_attrs_free(attrs);
  CHECK(weft_attrs_new(&attrs));
  CHECK(weft_attrs_set_int(attrs, "to", WEFT_F32));
  CHECK(weft_graph_add(loaded, "Cast", &numbers, 1, attrs, NULL, WEFT_ORIGIN, &y, 1));
  CHECK(weft_session_run(session, NULL, NULL, 0, &y, 1, NULL, 0, NULL, &out));
  EXPECT(at(out, 0) == 1.5f && at(out, 1) == -2e-3f);
  CHECK(weft_attrs_set_int(attrs, "to", WEFT_STRING));
  CHECK(weft_graph_add(loaded, "Cast", &y, 1, attrs, NULL, WEFT_ORIGIN, &numbers, 1));
  weft_tensor_free(out);
  CHECK(weft_session_run(session, NULL, NULL, 0, &numbers, 1, NULL, 0, NULL, &out));
  EXPECT(strcmp(weft_tensor_string(out, 0, NULL), "1.5") == 0);
  EXPECT(strcmp(weft_tensor_string(out, 1, NULL), "-0.002") == 0);
  weft_tensor_free(out);
  weft_tensor_free(strings);
  weft_tensor_free(quarter);
  weft_tensor_free(in);
  weft_attrs_free(attrs);
  weft_options_free(training);
  weft_session_free(session);
  weft_graph_free(loaded);
  remove(model);
  remove(checkpoint);
}

/* What is printed: definitions, traces, errors. */
static void test_texts(void) {
  Counting c = counting();
  const float number = 1;
  weft_bytes* json;
  weft_trace* trace;
  weft_options* options;
  weft_tensor *in = floats(&number, 1), *out;
  const char* text;
  CHECK(weft_op_inspect("LeakyRelu", &json));
  EXPECT(strstr(weft_bytes_data(json), "0.01") != NULL && strstr(weft_bytes_data(json), "0,01") == NULL);
  weft_bytes_free(json);
  CHECK(weft_trace_new(&trace));
  CHECK(weft_options_new("run", &options));
  CHECK(weft_options_set_trace(options, trace));
  CHECK(weft_session_run(c.session, &c.x, (const weft_tensor* const*)&in, 1, &c.mean, 1, NULL, 0, options, &out));
  CHECK(weft_trace_json(trace, &json));
  text = strstr(weft_bytes_data(json), "\"dur\":");
  EXPECT(text != NULL && strspn(text + 6, "0123456789.e-") == strcspn(text + 6, ",")); /* the comma after the number */
  EXPECT(text != NULL && strncmp(text + 6 + strcspn(text + 6, ","), ",\"args\"", 7) == 0);
  weft_bytes_free(json);
  weft_options_free(options);
  weft_trace_free(trace);
  weft_tensor_free(out);
  weft_tensor_free(in);
  discard(&c);
}

int main(void) {
  char folder[] = "/tmp/weft_locale_XXXXXX", command[64], printed[8];
  if (mkdtemp(folder) == NULL) return 1;
  if (!take_comma_locale(folder)) {
    printf("skipped: there is no locale with a comma, and localedef cannot make one\n");
  } else {
    snprintf(printed, sizeof printed, "%.1f", 1.5);
    EXPECT(strcmp(printed, "1,5") == 0);
    test_csv(folder);
    test_graph(folder);
    test_texts();
  }
  snprintf(command, sizeof command, "rm -r %s", folder);
  EXPECT(system(command) == 0);
  EXPECT(weft_live_objects() == 0);
  return failures == 0 ? 0 : 1;
}
