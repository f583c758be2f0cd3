// Tensors that lie on a device: fed, fetched, bound, exchanged.
#include <cmath>
#include <numeric>

#include "core/tensor/dlpack.h"
#include "tests/core/expect_error.h"
#include "tests/core/runtime/model_common.h"
#include "tests/device/test_device.h"

namespace weft {
namespace {

std::shared_ptr<Memory> memory_named(const std::string& device) {
  add_test_devices();
  return *find_memory(device);
}

Tensor placed(const std::string& device, const Tensor& tensor) { return *tensor.moved_to(memory_named(device)); }

Values host_values(const Tensor& tensor) {
  const Tensor host = *tensor.moved_to(nullptr);
  return Values(host.as<double>(), host.as<double>() + host.count());
}

std::shared_ptr<Session> leaving_session(const std::string& device, const TestModel& m, bool device_outputs = true) {
  add_test_devices();
  SessionOptions options;
  options.device = device;
  options.device_outputs = device_outputs;
  Result<std::shared_ptr<Session>> made = Session::make(m.graph, options);
  EXPECT_TRUE(made.ok()) << made.status().text();
  return *made;
}

// exp(2 x), and w, which grows by one in each run that computes `grown`.
struct DeviceModel : TestModel {
  Expr x = input("x", DType::kF64, {3});
  Expr y = make(scope, "Exp", {x * 2.0});
  Expr w = variable("w", 10);
  Expr grown = make(scope, "weft.Assign", {w, w + 1.0});
};
const Values kFed{0, 0.5, -1}, kDoubledExp{1, std::exp(1.0), std::exp(-2.0)};

void expect_near(const Values& found, const Values& wanted, const std::string& what) {
  ASSERT_EQ(found.size(), wanted.size()) << what;
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(found[i], wanted[i], 1e-12) << what;
}

TEST(DeviceTensor, GoesThereAndBack) {
  for (const std::string& device : test_devices()) {
    const Tensor host = numbers({1, 2, 3});
    EXPECT_EQ(host.device(), "cpu");
    EXPECT_TRUE(host.check_on_host().ok());
    const Tensor there = placed(device, host);
    EXPECT_EQ(there.device(), device);
    EXPECT_EQ(there.memory(), memory_named(device).get());
    expect_error(there.check_on_host(), Code::kFailedPrecondition,
                 "the elements of f64[3] lie on '" + device + "', where the process cannot read or write them; 'to'");
    EXPECT_EQ(placed(device, there).data(), there.data());  // it lies there already
    const TestDeviceCounts before = test_device_counts();
    const Tensor copy = *there.copy();
    const TestDeviceCounts after = test_device_counts();
    EXPECT_EQ(after.copies_within - before.copies_within, 1);
    EXPECT_EQ(after.copies_out, before.copies_out);
    EXPECT_EQ(copy.device(), device);
    EXPECT_NE(copy.data(), there.data());
    EXPECT_EQ(host_values(copy), (Values{1, 2, 3}));
    EXPECT_EQ(host_values(*there.reshaped({3, 1})), (Values{1, 2, 3}));
  }
  const Tensor elsewhere = placed("test:early", placed("test:late", numbers({4})));
  EXPECT_EQ(elsewhere.device(), "test:early");
  EXPECT_EQ(host_values(elsewhere), Values{4});
}

TEST(DeviceTensor, NamesOfDevicesAreKnown) {
  add_test_devices();
  EXPECT_EQ(*find_memory("cpu"), nullptr);
  expect_error(find_memory("cuda:7").status(), Code::kNotFound,
               "there is no device 'cuda:7'; the devices are cpu, test:");
}

TEST(DeviceTensor, IsFedAndFetchedWithoutACopy) {
  for (const std::string& device : test_devices()) {
    DeviceModel m;
    std::shared_ptr<Session> session = leaving_session(device, m);
    const Tensor fed = placed(device, numbers(kFed));
    const Signature signature{{m.x.id()}, {m.y.id()}, {}};
    TestDeviceCounts before;
    for (int run = 0; run < 3; ++run) {
      std::vector<Tensor> out;
      ASSERT_TRUE(session->run(signature, {fed}, {}, &out).ok());
      EXPECT_EQ(out[0].device(), device);
      expect_near(host_values(out[0]), kDoubledExp, device);
      if (run == 0) before = test_device_counts();  // planning has copied the constants
    }
    const TestDeviceCounts after = test_device_counts();
    if (device == "test:partial") continue;
    EXPECT_EQ(after.copies_in, before.copies_in) << device;
    EXPECT_EQ(after.copies_out - before.copies_out, 2) << device;  // of the test itself
    EXPECT_EQ(after.copies_within, before.copies_within) << device;
  }
}

TEST(DeviceTensor, WhatIsFetchedIsItsOwn) {
  DeviceModel m;
  std::shared_ptr<Session> session = leaving_session("test:late", m);
  const Tensor fed = placed("test:late", numbers(kFed));
  std::vector<Tensor> out;
  ASSERT_TRUE(session->run({{m.x.id()}, {m.x.id(), m.w.id()}, {}}, {fed}, {}, &out).ok());
  EXPECT_NE(out[0].data(), fed.data());
  EXPECT_EQ(host_values(out[0]), kFed);
  EXPECT_EQ(out[1].device(), "test:late");  // a variable, read on the device
  EXPECT_EQ(host_values(out[1]), Values{10});
  // The second run that assigns writes where the variable's first value would be, were it not ours.
  for (int run = 1; run <= 3; ++run) {
    std::vector<Tensor> next;
    ASSERT_TRUE(session->run({{}, {m.grown.id()}, {}}, {}, {}, &next).ok());
    EXPECT_EQ(host_values(out[1]), Values{10}) << run;
    EXPECT_EQ(host_values(next[0]), Values{10.0 + run});
  }
}

// Of outputs that are not bound, too, so that a recording is good for the next run.
TEST(DeviceTensor, OutputsOfAPreparedCallKeepTheirPlaces) {
  for (const char* device : {"test:early", "test:late"}) {
    DeviceModel m;
    std::shared_ptr<Session> session = leaving_session(device, m);
    std::shared_ptr<Prepared> call = *session->prepare({{m.x.id()}, {m.y.id()}, {}});
    ASSERT_TRUE(call->bind_input(0, placed(device, numbers(kFed))).ok());
    ASSERT_TRUE(call->run({}).ok());
    const void* place = call->output(0)->data();
    TestDeviceCounts before = test_device_counts();
    for (int run = 0; run < 5; ++run) {
      ASSERT_TRUE(call->run({}).ok());
      EXPECT_EQ(call->output(0)->data(), place) << run;
      expect_near(host_values(*call->output(0)), kDoubledExp, device);
    }
    const TestDeviceCounts after = test_device_counts();
    EXPECT_EQ(after.copies_in, before.copies_in);
    EXPECT_EQ(after.recordings - before.recordings, 1);
    EXPECT_EQ(after.replays - before.replays, 4);
    EXPECT_EQ(after.bytes_held, before.bytes_held);
  }
}

// Which inputs and outputs lie on the device makes another plan, not another copy of the weights.
TEST(DeviceTensor, PlansShareTheirConstants) {
  constexpr int64_t kCount = 1 << 16;
  Values weights(kCount), doubled(kCount);
  std::iota(weights.begin(), weights.end(), 0);
  std::iota(doubled.begin(), doubled.end(), 0);
  for (double& value : doubled) value *= 2;
  for (const std::string& device : test_devices()) {
    const int64_t held = test_device_counts().bytes_held;
    {
      TestModel m;
      const Expr x = m.input("x", DType::kF64, {kCount});
      const Expr y = x * constant(m.scope, numbers(weights));
      std::shared_ptr<Session> session = leaving_session(device, m);
      const Signature signature{{x.id()}, {y.id()}, {}};
      const Tensor host = numbers(Values(kCount, 2)), there = placed(device, host);
      std::shared_ptr<Prepared> call = *session->prepare(signature);  // plans for what is fed here
      std::vector<Tensor> out;
      ASSERT_TRUE(session->run(signature, {host}, {}, &out).ok());
      const TestDeviceCounts before = test_device_counts();
      ASSERT_TRUE(call->bind_input(0, there).ok());
      ASSERT_TRUE(call->bind_output(0, *Tensor::make(DType::kF64, {kCount})).ok());
      ASSERT_TRUE(call->run({}).ok());
      ASSERT_TRUE(session->run(signature, {there}, {}, &out).ok());
      EXPECT_TRUE(host_values(out[0]) == doubled) << device;
      if (device != "test:partial") {
        EXPECT_EQ(test_device_counts().copies_in, before.copies_in) << device;
      }
    }
    EXPECT_EQ(test_device_counts().bytes_held, held) << device;
  }
}

TEST(DeviceTensor, WhatIsHeldIsNotWrittenAgain) {
  DeviceModel m;
  std::shared_ptr<Session> session = leaving_session("test:late", m);
  std::shared_ptr<Prepared> call = *session->prepare({{m.x.id()}, {m.y.id()}, {}});
  Tensor fed = placed("test:late", numbers(kFed));
  ASSERT_TRUE(call->bind_input(0, fed).ok());
  ASSERT_TRUE(call->run({}).ok());
  Tensor held = *call->output(0);
  std::vector<const void*> places{held.data()};
  for (int run = 1; run < 6; ++run) {
    ASSERT_TRUE(call->bind_input(0, placed("test:late", numbers({0.0 + run, 0, 0}))).ok());
    ASSERT_TRUE(call->run({}).ok());
    expect_near(host_values(held), run == 1 ? kDoubledExp : Values{std::exp(2.0 * (run - 1)), 1, 1}, "held");
    held = *call->output(0);
    places.push_back(held.data());
  }
  EXPECT_NE(places[0], places[1]);
  for (size_t run = 2; run < places.size(); ++run) EXPECT_EQ(places[run], places[run - 2]) << run;
}

TEST(DeviceTensor, ABoundTensorSaysWhereItsOutputGoes) {
  for (const std::string& device : test_devices()) {
    for (const bool device_outputs : {false, true}) {
      DeviceModel m;
      std::shared_ptr<Session> session = leaving_session(device, m, device_outputs);
      std::shared_ptr<Prepared> call = *session->prepare({{m.x.id()}, {m.y.id(), m.grown.id(), m.x.id()}, {}});
      const Tensor there = placed(device, numbers({7, 7, 7}));
      const Tensor here = Tensor::scalar<double>(7);
      ASSERT_TRUE(call->bind_input(0, numbers(kFed)).ok());
      ASSERT_TRUE(call->bind_output(0, there).ok());
      ASSERT_TRUE(call->bind_output(1, here).ok());
      for (int run = 1; run <= 4; ++run) {
        ASSERT_TRUE(call->run({}).ok());
        EXPECT_EQ(call->output(0)->data(), there.data());
        EXPECT_EQ(call->output(1)->data(), here.data());
        expect_near(host_values(there), kDoubledExp, device);
        EXPECT_EQ(*here.as<double>(), 10 + run);
        EXPECT_EQ(call->output(2)->device(), device_outputs ? device : "cpu");
        EXPECT_EQ(host_values(*call->output(2)), kFed);
      }
      ASSERT_TRUE(call->bind_output(0, Tensor()).ok());
      ASSERT_TRUE(call->run({}).ok());
      EXPECT_EQ(call->output(0)->device(), device_outputs ? device : "cpu");
    }
  }
}

// As a cache is: read here and written there, then the other way round.
TEST(DeviceTensor, SwappedTensorsKeepThePlan) {
  for (const char* device : {"test:early", "test:late"}) {
    DeviceModel m;
    const Expr next = m.x + 1.0;
    std::shared_ptr<Session> session = leaving_session(device, m);
    std::shared_ptr<Prepared> call = *session->prepare({{m.x.id()}, {next.id()}, {}});
    Tensor read = placed(device, numbers({0, 10, 20})), written = placed(device, numbers({7, 7, 7}));
    TestDeviceCounts before = test_device_counts();
    for (int run = 1; run <= 10; ++run) {
      ASSERT_TRUE(call->bind_input(0, read).ok());
      ASSERT_TRUE(call->bind_output(0, written).ok());
      ASSERT_TRUE(call->run({}).ok());
      EXPECT_EQ(call->output(0)->data(), written.data());
      EXPECT_EQ(host_values(written), (Values{0.0 + run, 10.0 + run, 20.0 + run})) << device;
      std::swap(read, written);
      if (run == 2) before = test_device_counts();
    }
    // Two ways round, each done twice before it is recorded.
    const TestDeviceCounts after = test_device_counts();
    EXPECT_EQ(after.recordings - before.recordings, 2) << device;
    EXPECT_EQ(after.replays - before.replays, 6) << device;
    EXPECT_EQ(after.bytes_held, before.bytes_held) << device;
    // Another shape is still refused, and no longer bound is made anew.
    ASSERT_TRUE(call->bind_input(0, read).ok());
    ASSERT_TRUE(call->bind_output(0, *Tensor::make(DType::kF64, {2})).ok());
    expect_error(call->run({}), Code::kInvalidArgument, "output 0 is f64[3] but is bound to f64[2]");
    ASSERT_TRUE(call->bind_output(0, Tensor()).ok());
    ASSERT_TRUE(call->run({}).ok());
    EXPECT_NE(call->output(0)->data(), written.data());
  }
}

// Shapes come from data, so that it is an executable with a rest; and a value that decides a shape lies on the device.
TEST(DeviceTensor, GoesThroughPlansThatWaitForData) {
  for (const std::string& device : test_devices()) {
    TestModel m;
    const Expr x = m.input("x", DType::kF64, {Dim::symbol("n")}), shape = m.input("shape", DType::kI64, {2});
    const Expr places = make(m.scope, "NonZero", {x});
    const Expr flat = make(m.scope, "Reshape", {places, constant(m.scope, Tensor::vector<int64_t>({-1}))});
    const Expr kept = make(m.scope, "Gather", {x, flat}) * 2.0;
    const Expr matrix = make(m.scope, "Reshape", {kept, shape});
    std::shared_ptr<Session> session = leaving_session(device, m);
    const std::vector<Tensor> fed{placed(device, numbers({1, 0, -0.5, 0, 2, 4})),
                                  placed(device, Tensor::vector<int64_t>({2, 2}))};
    const Signature signature{{x.id(), shape.id()}, {matrix.id(), places.id()}, {}};
    std::vector<Tensor> out;
    Status status = session->run(signature, fed, {}, &out);
    ASSERT_TRUE(status.ok()) << device << ": " << status.text();
    EXPECT_EQ(out[0].device(), device);
    EXPECT_EQ(out[0].shape(), (Shape{2, 2}));
    EXPECT_EQ(host_values(out[0]), (Values{2, -1, 4, 8}));
    EXPECT_EQ(out[1].device(), device);  // the processor made it
    EXPECT_EQ(*out[1].moved_to(nullptr)->to_ints(), (std::vector<int64_t>{0, 2, 4, 5}));
    std::shared_ptr<Prepared> call = *session->prepare(signature);
    const Tensor here = *Tensor::make(DType::kF64, {2, 2});
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(call->bind_input(i, fed[static_cast<size_t>(i)]).ok());
    ASSERT_TRUE(call->bind_output(0, here).ok());
    status = call->run({});
    ASSERT_TRUE(status.ok()) << device << ": " << status.text();
    EXPECT_EQ(host_values(here), (Values{2, -1, 4, 8}));
    EXPECT_EQ(call->output(1)->device(), device);
  }
}

TEST(DeviceTensor, AnotherDeviceIsRefused) {
  DeviceModel m;
  std::shared_ptr<Session> late = leaving_session("test:late", m), host = leaving_session("cpu", m);
  const Tensor fed = placed("test:early", numbers(kFed));
  const Signature signature{{m.x.id()}, {m.y.id()}, {}};
  std::vector<Tensor> out;
  expect_error(late->run(signature, {fed}, {}, &out), Code::kInvalidArgument,
               "the tensor fed to 'x' lies on 'test:early' but the session runs on 'test:late'; 'to' with the device "
               "'test:late' copies it there");
  expect_error(host->run(signature, {fed}, {}, &out), Code::kInvalidArgument,
               "the tensor fed to 'x' lies on 'test:early' but the session runs on 'cpu'");
  std::shared_ptr<Prepared> call = *late->prepare(signature);
  expect_error(call->bind_input(0, fed), Code::kInvalidArgument, "the tensor bound to 'x' lies on 'test:early'");
  expect_error(call->bind_output(0, fed), Code::kInvalidArgument,
               "the tensor bound to output '0' lies on 'test:early'");
  ASSERT_TRUE(host->run(signature, {numbers(kFed)}, {}, &out).ok());
  EXPECT_EQ(out[0].device(), "cpu");  // what stays on the CPU's device is where it always is
}

TEST(DeviceTensor, VariablesTakeThem) {
  DeviceModel m;
  std::shared_ptr<Session> session = leaving_session("test:late", m);
  for (const char* device : {"test:late", "test:early", "cpu"}) {
    ASSERT_TRUE(session->set_variable("w", placed(device, Tensor::scalar<double>(5))).ok()) << device;
    EXPECT_EQ(session->get_variable("w")->device(), "cpu");
    EXPECT_EQ(*session->get_variable("w")->as<double>(), 5);
    std::vector<Tensor> out;
    ASSERT_TRUE(session->run({{}, {m.grown.id()}, {}}, {}, {}, &out).ok());
    EXPECT_EQ(host_values(out[0]), Values{6});
  }
}

// Another device that DLPack would call as one that is there.
class TwinDevice : public Device {
 public:
  explicit TwinDevice(dlpack::DLDevice number) : number_(number) {}
  const std::string& name() const override { return name_; }
  Result<void*> allocate(int64_t) override { return unimplemented("no memory"); }
  void free(void*) override {}
  Status copy_in(void*, const void*, int64_t) override { return {}; }
  Status copy_out(void*, const void*, int64_t) override { return {}; }
  Status copy(void*, const void*, int64_t) override { return {}; }
  dlpack::DLDevice dlpack_device() const override { return number_; }
  Result<std::unique_ptr<Stream>> make_stream() override { return unimplemented("no streams"); }

 private:
  const std::string name_ = "twin:0";
  const dlpack::DLDevice number_;
};

TEST(DeviceTensor, ANumberOfDlpackIsOneDevice) {
  const dlpack::DLDevice number = memory_named("test:late")->dlpack_device();
  expect_error(add_devices({{std::make_shared<TwinDevice>(number), std::make_shared<KernelRegistry>()}}),
               Code::kAlreadyExists, "DLPack would not tell 'twin:0' from 'test:late': both are number ");
  expect_error(find_device("twin:0").status(), Code::kNotFound, "there is no device 'twin:0'");
  EXPECT_EQ(find_dlpack_memory(number), memory_named("test:late"));
}

TEST(DeviceTensor, IsExchangedByDlpack) {
  const Tensor there = placed("test:late", numbers({1, 2, 3}));
  const dlpack::DLDevice device = there.memory()->dlpack_device();
  const int64_t held = test_device_counts().bytes_held;
  {
    Tensor given = placed("test:late", numbers({4, 5}));
    auto* managed = *to_dlpack(given);
    EXPECT_EQ(managed->dl_tensor.device.device_type, 12);
    EXPECT_EQ(managed->dl_tensor.device.device_id, device.device_id);
    EXPECT_EQ(managed->dl_tensor.data, given.data());
    given = Tensor();
    expect_error(from_dlpack(managed).status(), Code::kUnimplemented, "device of DLPack type 12");
    TestDeviceCounts before = test_device_counts();
    {
      const Tensor taken = *from_dlpack(managed, find_dlpack_memory);
      EXPECT_EQ(test_device_counts().waits_for_others - before.waits_for_others, 1);
      EXPECT_EQ(taken.device(), "test:late");
      EXPECT_EQ(taken.data(), managed->dl_tensor.data);
      EXPECT_EQ(host_values(taken), (Values{4, 5}));
    }
    // Its deleter has waited before the memory went.
    EXPECT_EQ(test_device_counts().waits_for_others - before.waits_for_others, 2);
  }
  EXPECT_EQ(test_device_counts().bytes_held, held);
  auto* wrong = *to_dlpack(there);
  wrong->dl_tensor.device.device_id = 99;
  expect_error(from_dlpack(wrong, find_dlpack_memory).status(), Code::kUnimplemented, "type 12, number 99");
  wrong->deleter(wrong);
  EXPECT_EQ(find_dlpack_memory({0, 0}), nullptr);
  EXPECT_EQ(find_dlpack_memory({2, 0}), nullptr);
}

}  // namespace
}  // namespace weft
