// Prepared calls: bindings, what a run allocates, misuse, other shapes.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>
#include <thread>

#include "core/graph/expr.h"
#include "core/passes/differentiate.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"
#include "core/train/optimizer.h"

namespace {
std::atomic<int64_t> allocations{0};
thread_local int64_t locks = 0;
}  // namespace

// Counts what the whole program takes from the heap; sanitizers have operators of their own. Not inlined: GCC would take
// malloc and free for a pair of its own beside new and delete.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_ALLOCATIONS 1
[[gnu::noinline]] void* operator new(size_t bytes) {
  ++allocations;
  if (void* data = std::malloc(bytes == 0 ? 1 : bytes)) return data;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t bytes, std::align_val_t alignment) {
  ++allocations;
  size_t align = static_cast<size_t>(alignment);
  if (void* data = std::aligned_alloc(align, (bytes + align - 1) / align * align)) return data;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* data) noexcept { std::free(data); }
[[gnu::noinline]] void operator delete(void* data, size_t) noexcept { std::free(data); }
[[gnu::noinline]] void operator delete(void* data, std::align_val_t) noexcept { std::free(data); }
[[gnu::noinline]] void operator delete(void* data, size_t, std::align_val_t) noexcept { std::free(data); }

// And the locks that a thread takes.
#define COUNTED_LOCK(FUNCTION, LOCK)                                                        \
  extern "C" int FUNCTION(LOCK* lock) {                                                     \
    static const auto real = reinterpret_cast<int (*)(LOCK*)>(dlsym(RTLD_NEXT, #FUNCTION)); \
    ++locks;                                                                                \
    return real(lock);                                                                      \
  }
COUNTED_LOCK(pthread_mutex_lock, pthread_mutex_t)
COUNTED_LOCK(pthread_mutex_trylock, pthread_mutex_t)
COUNTED_LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
COUNTED_LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)
#else
#define COUNTS_ALLOCATIONS 0
#endif

namespace weft {
namespace {

// More threads than some machines have, set before the pool is first used.
[[maybe_unused]] const int kSetThreads = setenv("WEFT_THREADS", "4", 1);

Tensor filled(Shape shape, float value) {
  Tensor out = *Tensor::make(DType::kF32, std::move(shape));
  std::fill_n(out.as<float>(), out.count(), value);
  return out;
}

struct Call {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  std::shared_ptr<Session> session;
  std::shared_ptr<Prepared> prepared;

  // relu(x * ones[4, 4] + 1)
  Call() {
    ExprScope scope(*graph);
    Expr x(scope, *graph->add_input("x", ValueType::tensor(DType::kF32, {Dim::symbol("n"), 4})));
    Expr y = make(scope, "Relu", {matmul(x, constant(scope, filled({4, 4}, 1.0f))) + 1.0});
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    session = *Session::make(graph, {});
    prepared = *session->prepare({{x.id()}, {y.id()}, {}});
  }
};

TEST(Prepared, AllocatesNothingOnceItIsBound) {
  if (!COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer counts its own";
  Call call;
  Tensor in = filled({2, 4}, 1.0f), out = *Tensor::make(DType::kF32, {2, 4});
  ASSERT_TRUE(call.prepared->bind_input(0, in).ok());
  ASSERT_TRUE(call.prepared->bind_output(0, out).ok());
  ASSERT_TRUE(call.prepared->run({}).ok());
  int64_t before = allocations;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(call.prepared->run({}).ok());
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(out.as<float>()[7], 5.0f);
}

// Towers that are worth walking side by side, on as many threads as there are.
TEST(Prepared, AllocatesNothingAndTakesNoLockInBranches) {
  if (!COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer counts its own";
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  Expr x(scope, *graph->add_input("x", ValueType::tensor(DType::kF32, {1, 256})));
  std::vector<Expr> ends;
  for (int tower = 0; tower < 8; ++tower) {
    Expr y = x;
    for (int layer = 0; layer < 4; ++layer) {
      y = make(scope, "Relu",
               {matmul(y, constant(scope, filled({256, 256}, 1.0f / (256.0f + static_cast<float>(tower)))))});
    }
    ends.push_back(y);
  }
  const ValueId joined = make(scope, "Concat", ends, {{"axis", int64_t{1}}}).id();
  ASSERT_TRUE(scope.status().ok()) << scope.status().text();
  auto session = *Session::make(graph, {});
  auto prepared = *session->prepare({{x.id()}, {joined}, {}});
  Tensor in = filled({1, 256}, 1.0f), out = *Tensor::make(DType::kF32, {1, 8 * 256});
  ASSERT_TRUE(prepared->bind_input(0, in).ok());
  ASSERT_TRUE(prepared->bind_output(0, out).ok());
  Trace trace;
  RunOptions traced;
  traced.trace = &trace;
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(prepared->run(traced).ok());
  const std::string json = trace.json();
  auto count = [&](std::string_view text) {
    int found = 0;
    for (size_t at = json.find(text); at != std::string::npos; at = json.find(text, at + 1)) ++found;
    return found;
  };
  EXPECT_LT(count("\"tid\":1,"), count("\"tid\":")) << "no worker ever helped";
  int64_t allocated = allocations, locked = locks;
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(prepared->run({}).ok());
  EXPECT_EQ(allocations, allocated);
  EXPECT_EQ(locks, locked);
  EXPECT_NEAR(out.as<float>()[0], 1.0f, 1e-3f);
}

TEST(Prepared, AllocatesNothingWhenItCanBeStopped) {
  if (!COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer counts its own";
  Call call;
  Tensor in = filled({2, 4}, 1.0f), out = *Tensor::make(DType::kF32, {2, 4});
  ASSERT_TRUE(call.prepared->bind_input(0, in).ok());
  ASSERT_TRUE(call.prepared->bind_output(0, out).ok());
  CancelToken token;
  RunOptions options;
  options.cancel = &token;
  options.timeout_ns = INT64_MAX;
  options.poll = [](void*) { return Status(); };
  ASSERT_TRUE(call.prepared->run(options).ok());
  int64_t before = allocations;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(call.prepared->run(options).ok());
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(out.as<float>()[7], 5.0f);
}

TEST(Prepared, EigenvaluesAllocateNothing) {
  if (!COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer counts its own";
  auto graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  ValueId fed = *graph->add_input("a", ValueType::tensor(DType::kF32, {2, 20, 20}));
  std::vector<ValueId> fetched;
  for (Expr part : make_all(scope, "weft.Eigh", {Expr(scope, fed)}, {}, 2)) fetched.push_back(part.id());
  for (Expr part : make_all(scope, "weft.Eig", {Expr(scope, fed)}, {}, 4)) fetched.push_back(part.id());
  auto session = *Session::make(graph, {});
  auto prepared = *session->prepare({{fed}, fetched, {}});
  Tensor a = filled({2, 20, 20}, 1.0f);
  ASSERT_TRUE(prepared->bind_input(0, a).ok());
  ASSERT_TRUE(prepared->run({}).ok());
  for (int i = 0; i < 6; ++i) {
    Tensor found = *prepared->output(i);
    ASSERT_TRUE(prepared->bind_output(i, *Tensor::make(DType::kF32, found.shape())).ok());
  }
  ASSERT_TRUE(prepared->run({}).ok());
  int64_t before = allocations;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(prepared->run({}).ok());
  EXPECT_EQ(allocations, before);
  EXPECT_NEAR((*prepared->output(0)).as<float>()[19], 20, 1e-4);
}

TEST(Prepared, PadAllocatesNothing) {
  if (!COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer counts its own";
  auto graph = *Graph::make(builtin_ops());
  ExprScope scope(*graph);
  Expr x(scope, *graph->add_input("x", ValueType::tensor(DType::kF32, {2, 2})));
  Expr y = make(scope, "Pad", {x, constant_ints(scope, {1, 1, 1, 1})});
  ASSERT_TRUE(scope.status().ok()) << scope.status().text();
  auto session = *Session::make(graph, {});
  auto prepared = *session->prepare({{x.id()}, {y.id()}, {}});
  Tensor in = filled({2, 2}, 1.0f), out = *Tensor::make(DType::kF32, {4, 4});
  ASSERT_TRUE(prepared->bind_input(0, in).ok());
  ASSERT_TRUE(prepared->bind_output(0, out).ok());
  ASSERT_TRUE(prepared->run({}).ok());
  int64_t before = allocations;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(prepared->run({}).ok());
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(out.as<float>()[0], 0.0f);
  EXPECT_EQ(out.as<float>()[5], 1.0f);
}

TEST(Prepared, LocksNothingWithoutVariables) {
  if (!COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer has locks of its own";
  Call call;
  Tensor in = filled({2, 4}, 1.0f), out = *Tensor::make(DType::kF32, {2, 4});
  ASSERT_TRUE(call.prepared->bind_input(0, in).ok());
  ASSERT_TRUE(call.prepared->bind_output(0, out).ok());
  ASSERT_TRUE(call.prepared->run({}).ok());
  int64_t before = locks;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(call.prepared->run({}).ok());
  EXPECT_EQ(locks, before);
}

// Two layers, their gradients and Adam.
struct Training {
  std::shared_ptr<Graph> graph = *Graph::make(builtin_ops());
  std::shared_ptr<Session> session;
  std::shared_ptr<Prepared> prepared;

  Training() {
    ExprScope scope(*graph);
    Expr x(scope, *graph->add_input("x", ValueType::tensor(DType::kF32, {32, 64})));
    Expr hidden = make(scope, "Relu", {matmul(x, variable(scope, "w1", {64, 64})) + variable(scope, "b1", {64})});
    Expr y = matmul(hidden, variable(scope, "w2", {64, 10})) + variable(scope, "b2", {10});
    Expr loss = make(scope, "ReduceMean", {y * y}, {{"keepdims", int64_t{0}}});
    EXPECT_TRUE(scope.status().ok()) << scope.status().text();
    OptimizerOptions adam;
    adam.kind = "Adam";
    Result<ValueId> step = add_train_step(*graph, adam, loss.id(), {}, kNoValue, "", differentiate);
    EXPECT_TRUE(step.ok()) << step.status().text();
    session = *Session::make(graph, {});
    prepared = *session->prepare({{x.id()}, {}, {*step}});
    EXPECT_TRUE(prepared->bind_input(0, filled({32, 64}, 0.5f)).ok());
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(prepared->run({}).ok());
  }

  Expr variable(ExprScope& scope, const char* name, Shape shape) {
    return Expr(scope, *graph->add_variable(name, constant(scope, filled(std::move(shape), 0.1f)).id(), true));
  }
};

TEST(Prepared, ATrainingStepAllocatesNothingAndLocksTheStoreAlone) {
  if (!COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer counts its own";
  Training training;
  int64_t allocated = allocations, locked = locks;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(training.prepared->run({}).ok());
  EXPECT_EQ(allocations, allocated);
  EXPECT_EQ(locks - locked, 5 * 5) << "the writer's twice, and one each to read, to find room and to commit";
}

TEST(Prepared, ReadsTheBoundMemoryAnewEachRun) {
  Call call;
  Tensor in = filled({1, 4}, 1.0f);
  ASSERT_TRUE(call.prepared->bind_input(0, in).ok());
  ASSERT_TRUE(call.prepared->run({}).ok());
  EXPECT_EQ(*(*call.prepared->output(0)).as<float>(), 5.0f);
  std::fill_n(in.as<float>(), 4, 2.0f);
  Tensor first = *call.prepared->output(0);
  ASSERT_TRUE(call.prepared->run({}).ok());
  EXPECT_EQ(*(*call.prepared->output(0)).as<float>(), 9.0f);
  EXPECT_EQ(*first.as<float>(), 5.0f) << "an unbound output is never written again";
}

TEST(Prepared, TakesAnotherShape) {
  Call call;
  for (int64_t n : {1, 5, 0, 3}) {
    ASSERT_TRUE(call.prepared->bind_input(0, filled({n, 4}, 1.0f)).ok());
    ASSERT_TRUE(call.prepared->run({}).ok());
    EXPECT_EQ((*call.prepared->output(0)).shape(), (Shape{n, 4}));
  }
}

TEST(Prepared, SaysWhatIsWrong) {
  Call call;
  EXPECT_EQ(call.prepared->run({}).code(), Code::kFailedPrecondition);
  EXPECT_EQ(call.prepared->output(0).status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(call.prepared->bind_input(0, filled({2, 5}, 1.0f)).code(), Code::kInvalidArgument);
  EXPECT_FALSE(call.prepared->bind_input(1, filled({2, 4}, 1.0f)).ok());
  EXPECT_FALSE(call.prepared->bind_output(-1, filled({2, 4}, 1.0f)).ok());
  ASSERT_TRUE(call.prepared->bind_input(0, filled({2, 4}, 1.0f)).ok());
  ASSERT_TRUE(call.prepared->bind_output(0, filled({3, 4}, 1.0f)).ok() ? !call.prepared->run({}).ok() : true);
  ASSERT_TRUE(call.prepared->close().ok());
  EXPECT_EQ(call.prepared->run({}).code(), Code::kFailedPrecondition);
}

TEST(Prepared, ARunThatFailsLeavesNoOutputs) {
  Call call;
  ASSERT_TRUE(call.prepared->bind_input(0, filled({1, 4}, 1.0f)).ok());
  ASSERT_TRUE(call.prepared->run({}).ok());
  CancelToken token;
  token.cancel();
  RunOptions stopped;
  stopped.cancel = &token;
  EXPECT_EQ(call.prepared->run(stopped).code(), Code::kCancelled);
  EXPECT_EQ(call.prepared->output(0).status().code(), Code::kFailedPrecondition);
  ASSERT_TRUE(call.prepared->run({}).ok());
  EXPECT_EQ(*(*call.prepared->output(0)).as<float>(), 5.0f);
}

TEST(Prepared, TwoThreadsInOneAreAnErrorNotARace) {
  Call call;
  ASSERT_TRUE(call.prepared->bind_input(0, filled({512, 4}, 1.0f)).ok());
  ASSERT_TRUE(call.prepared->run({}).ok());
  std::atomic<int> refused{0}, done{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        Status status = call.prepared->run({});
        if (status.ok())
          ++done;
        else if (status.code() == Code::kFailedPrecondition)
          ++refused;
        else
          ADD_FAILURE() << status.text();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done + refused, 1000);
  EXPECT_GT(done.load(), 0);
}

TEST(Prepared, OutlivesTheHandleOfItsSession) {
  Call call;
  ASSERT_TRUE(call.prepared->bind_input(0, filled({2, 4}, 1.0f)).ok());
  call.session.reset();
  EXPECT_TRUE(call.prepared->run({}).ok());
}

}  // namespace
}  // namespace weft
