// Host functions: the table of names, how long a function lives, and what an executable takes from one.
#include "core/exec/host_functions.h"

#include <thread>

#include "tests/core/exec/exec_common.h"

namespace weft {
namespace {

struct Counted {
  int calls = 0, drops = 0;
  bool replace_itself = false;
  int drops_seen_in_call = -1;

  static Status call(void* user, const std::vector<Tensor>& in, std::vector<Tensor>* out) {
    auto* self = static_cast<Counted*>(user);
    ++self->calls;
    if (self->replace_itself) {
      remove_host_function("test.counted");
      self->drops_seen_in_call = self->drops;
    }
    (*out)[0] = in[0];
    return {};
  }
  std::shared_ptr<const HostFunction> function() {
    return std::make_shared<HostFunction>(&call, this, [](void* user) { ++static_cast<Counted*>(user)->drops; });
  }
};

TEST(HostFunctions, AreFoundUnderTheirNameAndDroppedOnce) {
  Counted first, second;
  EXPECT_EQ(find_host_function("test.counted"), nullptr);
  set_host_function("test.counted", first.function());
  EXPECT_EQ(find_host_function("test.counted")->user, &first);
  EXPECT_EQ(find_host_function("test.Counted"), nullptr);
  set_host_function("test.counted", second.function());
  EXPECT_EQ(first.drops, 1);
  EXPECT_EQ(find_host_function("test.counted")->user, &second);
  EXPECT_EQ(second.drops, 0);
  remove_host_function("test.counted");
  EXPECT_EQ(second.drops, 1);
  EXPECT_EQ(find_host_function("test.counted"), nullptr);
  remove_host_function("test.counted");
  EXPECT_EQ(first.drops, 1);
  EXPECT_EQ(second.drops, 1);
}

TEST(HostFunctions, TheDropMayUseTheTable) {
  auto nothing = [](void*, const std::vector<Tensor>&, std::vector<Tensor>*) { return Status(); };
  bool found = true;
  auto look = [](void* user) { *static_cast<bool*>(user) = find_host_function("test.other") != nullptr; };
  set_host_function("test.looks", std::make_shared<HostFunction>(nothing, &found, look));
  remove_host_function("test.looks");
  EXPECT_FALSE(found);
  found = true;
  set_host_function("test.looks", std::make_shared<HostFunction>(nothing, &found, look));
  set_host_function("test.looks", std::make_shared<HostFunction>(nothing, nullptr, nullptr));
  EXPECT_FALSE(found);
  remove_host_function("test.looks");
}

TEST(HostFunctions, ARunUnderWayKeepsTheFunction) {
  Counted counted;
  counted.replace_itself = true;
  set_host_function("test.counted", counted.function());
  ExecTest t;
  Expr x = t.input("x", DType::kF64, {1});
  auto executable = t.executable({t.host("test.counted", {x}, {"1"}, "callback")});
  std::vector<Tensor> out;
  ASSERT_TRUE(executable->run({numbers({3})}, {}, &out).ok());
  EXPECT_EQ(counted.drops_seen_in_call, 0);
  EXPECT_EQ(counted.drops, 1);
  Status status = executable->run({numbers({3})}, {}, &out);
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_EQ(status.message(), "the host function 'test.counted' is not registered in this process");
  EXPECT_EQ(status.node(), "callback");
  EXPECT_EQ(status.op(), "weft.HostCall");
}

TEST(HostFunctions, GetTheirInputsInOrderOnTheCallersThread) {
  const std::thread::id here = std::this_thread::get_id();
  HostFunctionInTest subtract("test.subtract", [&](const std::vector<Tensor>& in, std::vector<Tensor>* out) {
    EXPECT_EQ(std::this_thread::get_id(), here);
    EXPECT_EQ(in.size(), 2u);
    EXPECT_EQ(out->size(), 1u);
    EXPECT_TRUE((*out)[0].empty());
    (*out)[0] = numbers({*in[0].as<double>() - *in[1].as<double>()});
    return Status();
  });
  ExecTest t;
  Expr a = t.input("a", DType::kF64, {1}), b = t.input("b", DType::kF64, {1});
  auto executable = t.executable({t.host("test.subtract", {b, a}, {"1"}) * 10.0});
  std::vector<Tensor> out;
  ASSERT_TRUE(executable->run({numbers({2}), numbers({9})}, {}, &out).ok());
  EXPECT_EQ(values_of<double>(out[0]), std::vector<double>{70});
  EXPECT_EQ(subtract.calls, 1);
}

TEST(HostFunctions, AreHeldToWhatTheNodePromises) {
  std::vector<Tensor> gives;
  HostFunctionInTest function("test.gives", [&](const std::vector<Tensor>&, std::vector<Tensor>* out) {
    *out = gives;
    return Status();
  });
  ExecTest t;
  Expr x = t.input("x", DType::kF64, {1});
  auto executable = t.executable({t.host("test.gives", {x}, {"2,?"}, "callback")});
  auto run = [&](std::vector<Tensor> given) {
    gives = std::move(given);
    std::vector<Tensor> out;
    return executable->run({numbers({0})}, {}, &out);
  };
  EXPECT_TRUE(run({numbers({2, 1}, {5, 6})}).ok());
  EXPECT_TRUE(run({numbers({2, 0}, {})}).ok());
  expect_error(run({}), Code::kInvalidArgument, "host function 'test.gives' gave 0 outputs but must give 1");
  expect_error(run({numbers({2, 1}, {5, 6}), numbers({1})}), Code::kInvalidArgument, "gave 2 outputs but must give 1");
  const char* start = "output of host function 'test.gives' is ";
  expect_error(run({Tensor()}), Code::kInvalidArgument, cat(start, "an empty tensor but must be f64[2, "));
  expect_error(run({numbers({1, 2}, {5, 6})}), Code::kInvalidArgument, cat(start, "f64[1, 2] but must be f64[2, "));
  expect_error(run({numbers({5, 6})}), Code::kInvalidArgument, cat(start, "f64[2] but must be f64[2, "));
  expect_error(run({*Tensor::make(DType::kF32, {2, 1})}), Code::kInvalidArgument, cat(start, "f32[2, 1] but must be"));
  Status status = run({Tensor::sequence({numbers({2, 1}, {5, 6})})});
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.node(), "callback");
}

TEST(HostFunctions, AreHeldToTheSizesThatTheInputsGiveToNames) {
  std::vector<Tensor> gives;
  HostFunctionInTest function("test.gives", [&](const std::vector<Tensor>&, std::vector<Tensor>* out) {
    *out = gives;
    return Status();
  });
  ExecTest t;
  Expr x = t.input("x", DType::kF64, {Dim::symbol("batch"), 2});
  // The second call has the result of the first one, and still knows what "batch" is.
  Expr first = t.host("test.gives", {x}, {"batch,?"}, "first");
  auto executable = t.executable({t.host("test.gives", {first}, {" batch , 1 "}, "second"), first + 1.0});
  auto run = [&](int64_t rows, Tensor given) {
    gives = {std::move(given)};
    std::vector<Tensor> out;
    return executable->run({*Tensor::make(DType::kF64, {rows, 2})}, {}, &out);
  };
  EXPECT_TRUE(run(3, numbers({3, 1}, {5, 6, 7})).ok());
  EXPECT_TRUE(run(1, numbers({1, 1}, {5})).ok());
  Status status = run(2, numbers({3, 1}, {5, 6, 7}));
  expect_error(status, Code::kInvalidArgument, "output of host function 'test.gives' is f64[3, 1] but must be f64[2, ");
  EXPECT_EQ(status.node(), "first");
  status = run(2, numbers({2, 2}, {5, 6, 7, 8}));
  expect_error(status, Code::kInvalidArgument,
               "output of host function 'test.gives' is f64[2, 2] but must be f64[2, 1]");
  EXPECT_EQ(status.node(), "second");
}

TEST(HostFunctions, TheirErrorsKeepCodeMessageAndPayload) {
  int tag = 0;
  HostFunctionInTest function("test.fails", [&](const std::vector<Tensor>&, std::vector<Tensor>*) {
    return Status(Code::kUnavailable, "no camera").with_payload(std::make_shared<Payload>(&tag, &tag, nullptr));
  });
  ExecTest t;
  Expr x = t.input("x", DType::kF64, {1});
  t.scope.set_origin("model.py:4");
  auto executable = t.executable({t.host("test.fails", {x}, {"1"}, "callback")});
  std::vector<Tensor> out;
  Status status = executable->run({numbers({0})}, {}, &out);
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(status.message(), "no camera");
  ASSERT_NE(status.payload(), nullptr);
  EXPECT_EQ(status.payload()->tag, &tag);
  EXPECT_EQ(status.node(), "callback");
  EXPECT_EQ(status.origin(), "model.py:4");
}

}  // namespace
}  // namespace weft
