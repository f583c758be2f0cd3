/* ONNX Runtime, through its C API: an Add with memory that is bound to it, or by name with new results. */
#include "../programs/child.h"

#include <dlfcn.h>
#include <string.h>

#include "onnxruntime_c_api.h"

static const OrtApi* ort;

static void check(OrtStatus* status) {
  if (status != NULL) fail(ort->GetErrorMessage(status));
}

typedef struct {
  OrtSession* session;
  OrtIoBinding* binding;
  char* output_name;
  OrtValue* inputs[2];
  float sums[ADD_SIZE]; /* what is bound as the output */
} Add;

static const char* const kInputNames[] = {"x", "other"};

static const OrtApiBase* library(void) {
  const char* path = getenv("ONNXRUNTIME_LIBRARY");
  void* opened;
  const OrtApiBase*(ORT_API_CALL * base)(void);
  if (path == NULL || *path == 0) fail("ONNXRUNTIME_LIBRARY does not say where libonnxruntime.so is");
  opened = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (opened == NULL) fail(dlerror());
  *(void**)&base = dlsym(opened, "OrtGetApiBase");
  if (base == NULL) fail(dlerror());
  return base();
}

static OrtValue* value(float* data) {
  const int64_t size = ADD_SIZE;
  OrtMemoryInfo* memory;
  OrtValue* made;
  check(ort->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &memory));
  check(ort->CreateTensorWithDataAsOrtValue(memory, data, ADD_SIZE * sizeof(float), &size, 1,
                                            ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &made));
  ort->ReleaseMemoryInfo(memory);
  return made;
}

static void run_bound(void* self) { check(ort->RunWithBinding(((Add*)self)->session, NULL, ((Add*)self)->binding)); }

static size_t numbers(const float* from, double* values) {
  int i;
  for (i = 0; i < ADD_SIZE; ++i) values[i] = from[i];
  return ADD_SIZE;
}

static size_t bound_results(void* self, double* values) {
  run_bound(self);
  return numbers(((Add*)self)->sums, values);
}

static OrtValue* run_new(const Add* add) {
  OrtValue* made = NULL;
  const char* const output_name = add->output_name;
  check(ort->Run(add->session, NULL, kInputNames, (const OrtValue* const*)add->inputs, 2, &output_name, 1, &made));
  return made;
}

static void run_named(void* self) { ort->ReleaseValue(run_new((const Add*)self)); }

static size_t named_results(void* self, double* values) {
  OrtValue* made = run_new((const Add*)self);
  float* data;
  check(ort->GetTensorMutableData(made, (void**)&data));
  numbers(data, values);
  ort->ReleaseValue(made);
  return ADD_SIZE;
}

static OrtSession* session(const char* folder, int threads) {
  char path[4096];
  OrtEnv* environment;
  OrtSessionOptions* options;
  OrtSession* made;
  snprintf(path, sizeof path, "%s/model.onnx", folder);
  check(ort->CreateEnv(ORT_LOGGING_LEVEL_WARNING, "bench", &environment));
  check(ort->CreateSessionOptions(&options));
  check(ort->SetIntraOpNumThreads(options, threads));
  check(ort->SetInterOpNumThreads(options, 1));
  check(ort->CreateSession(environment, path, options, &made));
  return made;
}

int main(int argc, char** argv) {
  const OrtApiBase* base = library();
  OrtAllocator* allocator;
  float data[2][ADD_SIZE];
  Add add;
  Contender who = {base->GetVersionString(), run_named, named_results, &add};
  int i;
  ort = base->GetApi(ORT_API_VERSION);
  if (ort == NULL) fail("this libonnxruntime.so is older than the headers");
  if (argc != 4) fail("onnxruntime_c <bound|named> <threads> <folder>");
  add.session = session(argv[3], atoi(argv[2]));
  check(ort->GetAllocatorWithDefaultOptions(&allocator));
  check(ort->SessionGetOutputName(add.session, 0, allocator, &add.output_name));
  for (i = 0; i < 2; ++i) {
    read_values(argv[3], kInputNames[i], data[i], sizeof data[i]);
    add.inputs[i] = value(data[i]);
  }
  if (strcmp(argv[1], "bound") == 0) {
    check(ort->CreateIoBinding(add.session, &add.binding));
    for (i = 0; i < 2; ++i) check(ort->BindInput(add.binding, kInputNames[i], add.inputs[i]));
    check(ort->BindOutput(add.binding, add.output_name, value(add.sums)));
    who.call = run_bound;
    who.results = bound_results;
  } else if (strcmp(argv[1], "named") != 0) {
    fail("onnxruntime_c makes an Add alone");
  }
  serve(&who);
  return 0;
}
