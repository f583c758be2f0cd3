// Frames walk plans made by hand: addresses, order, errors, stopping, traces.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <thread>

#include "core/base/json.h"
#include "core/exec/executor.h"

namespace weft {
namespace {

constexpr int kCount = 4;  // floats of every value

// A step's kernel: y = x * times + plus, after it has written down that it ran and done what the test wants.
struct Work {
  std::string name;
  float times, plus;
  std::vector<std::string>* log;
  std::function<void(const RunArgs&)> also;
};
void work(const void* state, const RunArgs& args) {
  const Work& w = *static_cast<const Work*>(state);
  if (w.log != nullptr) w.log->push_back(w.name);
  for (int i = 0; i < kCount; ++i) args.output<float>(0)[i] = args.input<float>(0)[i] * w.times + w.plus;
  if (w.also) w.also(args);
}

// Where an address of a step comes from.
struct Place {
  enum Kind { kArena, kInput, kOutput, kConstant } kind;
  int64_t at;
};
Place arena(int64_t offset) { return {Place::kArena, offset}; }
constexpr Place kX{Place::kInput, 0}, kY{Place::kOutput, 0};

struct HandPlan {
  std::shared_ptr<Plan> plan = std::make_shared<Plan>();
  std::vector<std::string> log;
  StopCondition stop;

  HandPlan() {
    plan->inputs.resize(1);
    plan->outputs.resize(1);
    plan->arena_bytes = 256;
  }
  HandPlan(const HandPlan&) = delete;  // steps point to the log

  int32_t add(const Place& place) {
    int32_t index = static_cast<int32_t>(plan->fixed.size());
    bool constant = place.kind == Place::kConstant;
    plan->fixed.push_back(constant ? plan->constants[static_cast<size_t>(place.at)].data() : nullptr);
    plan->offsets.push_back(place.kind == Place::kArena ? place.at : -1);
    if (place.kind == Place::kInput) plan->inputs[static_cast<size_t>(place.at)].args.push_back(index);
    if (place.kind == Place::kOutput) plan->outputs[static_cast<size_t>(place.at)].args.push_back(index);
    return index;
  }
  void step(const char* name, Place in, Place out, float times, float plus,
            std::function<void(const RunArgs&)> also = {}, bool logged = true) {
    PreparedKernel kernel;
    kernel.state = std::make_shared<const Work>(Work{name, times, plus, logged ? &log : nullptr, std::move(also)});
    kernel.run = &work;
    Step step{kernel.run, kernel.state.get(), add(in), add(out), 0};
    step.scratch = add(arena(192));
    plan->steps.push_back(step);
    plan->infos.push_back({name, cat("Op", name), cat("model.py:", plan->steps.size()), "hand"});
    plan->kernels.push_back(std::move(kernel));
  }
  // y = ((x + 1) * 2 - 3) * 10: the second step works in place.
  void chain(std::function<void(const RunArgs&)> in_second = {}) {
    step("first", kX, arena(0), 1, 1);
    step("second", arena(0), arena(0), 2, 0, std::move(in_second));
    step("third", arena(0), arena(64), 1, -3);
    step("fourth", arena(64), kY, 10, 0);
  }
  std::unique_ptr<Frame> frame() { return std::move(*Frame::make(plan)); }
};

using Floats = std::vector<float>;
using Names = std::vector<std::string>;

TEST(Frame, WalksTheStepsInOrderOverOneArena) {
  HandPlan h;
  h.chain();
  auto frame = h.frame();
  const Floats x{1, 2, 3, 4};
  Floats y(kCount);
  frame->bind_input(0, x.data());
  frame->bind_output(0, y.data());
  ASSERT_TRUE(frame->run({}).ok());
  EXPECT_EQ(y, (Floats{10, 30, 50, 70}));
  EXPECT_EQ(h.log, (Names{"first", "second", "third", "fourth"}));
  EXPECT_EQ(x, (Floats{1, 2, 3, 4}));
}

TEST(Frame, TakesOtherMemoryForTheNextWalk) {
  HandPlan h;
  h.chain();
  auto frame = h.frame();
  const Floats x{1, 2, 3, 4}, other{0, 0, 5, -1};
  Floats y(kCount), z(kCount);
  frame->bind_input(0, x.data());
  frame->bind_output(0, y.data());
  ASSERT_TRUE(frame->run({}).ok());
  frame->bind_input(0, other.data());
  ASSERT_TRUE(frame->run({}).ok());
  EXPECT_EQ(y, (Floats{-10, -10, 90, -30}));
  frame->bind_output(0, z.data());
  frame->bind_input(0, x.data());
  ASSERT_TRUE(frame->run({}).ok());
  EXPECT_EQ(z, (Floats{10, 30, 50, 70}));
  EXPECT_EQ(y, (Floats{-10, -10, 90, -30}));
}

TEST(Frame, BindsEveryPlaceOfAnInputAndOfAnOutput) {
  HandPlan h;
  // The output is read again by the second step, the input by both.
  auto plus_x = [](const RunArgs& args) {
    for (int i = 0; i < kCount; ++i) args.output<float>(0)[i] += args.input<float>(1)[i];
  };
  h.step("first", kX, kY, 3, 0);
  h.step("second", kY, kY, 1, 0, plus_x);
  // The second step gets a second input behind its first.
  Step& second = h.plan->steps[1];
  second.in = h.add(kY);
  h.add(kX);
  auto frame = h.frame();
  const Floats x{1, 2, 3, 4};
  Floats y(kCount);
  frame->bind_input(0, x.data());
  frame->bind_output(0, y.data());
  ASSERT_TRUE(frame->run({}).ok());
  EXPECT_EQ(y, (Floats{4, 8, 12, 16}));
}

TEST(Frame, ReadsConstantsWhereTheyAreAndGivesAlignedScratch) {
  HandPlan h;
  h.plan->constants.push_back(Tensor::vector<float>({5, 6, 7, 8}));
  const void* scratch = nullptr;
  h.step("only", {Place::kConstant, 0}, kY, 1, 0.5, [&](const RunArgs& args) {
    scratch = args.scratch;
    std::memset(args.scratch, 0xff, 64);
  });
  auto frame = h.frame();
  Floats y(kCount);
  frame->bind_output(0, y.data());
  for (int i = 0; i < 2; ++i) {  // what is written to scratch is written nowhere else
    ASSERT_TRUE(frame->run({}).ok());
    EXPECT_EQ(y, (Floats{5.5, 6.5, 7.5, 8.5}));
  }
  ASSERT_NE(scratch, nullptr);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(scratch) % 64, 0u);
}

TEST(Frame, ThePlanOutlivesItsMaker) {
  auto h = std::make_unique<HandPlan>();
  h->step("only", kX, kY, 2, 0, {}, false);
  auto frame = h->frame();
  h = nullptr;
  const Floats x{1, 2, 3, 4};
  Floats y(kCount);
  frame->bind_input(0, x.data());
  frame->bind_output(0, y.data());
  ASSERT_TRUE(frame->run({}).ok());
  EXPECT_EQ(y, (Floats{2, 4, 6, 8}));
}

TEST(Frame, NoStepsDoNothing) {
  HandPlan h;
  h.plan->arena_bytes = 0;
  EXPECT_TRUE(h.frame()->run({}).ok());
  StopCondition stop;
  stop.set_deadline_ns(1);
  EXPECT_EQ(h.frame()->run({{0, &stop, 0}, &stop, nullptr}).code(), Code::kDeadlineExceeded);
}

// -- Errors and stopping. What runs with a stop condition or a trace goes another way than what runs without.

struct Runs : HandPlan {
  const Floats x{1, 2, 3, 4};
  Floats y = Floats(kCount);
  Trace trace;

  Status run(bool stoppable, bool traced = false) {
    auto walk = frame();
    walk->bind_input(0, x.data());
    walk->bind_output(0, y.data());
    ExecOptions options;
    if (stoppable) options.stop = options.parallel.stop = &stop;
    if (traced) options.trace = &trace;
    return walk->run(options);
  }
};

TEST(Frame, TheFirstStepThatFailsEndsTheWalkAndIsNamed) {
  for (bool traced : {false, true}) {
    Runs r;
    auto fail = [](const RunArgs& args) { *args.status = invalid("division by zero"); };
    r.step("first", kX, arena(0), 1, 1);
    r.step("second", arena(0), arena(0), 2, 0, fail);
    r.step("third", arena(0), kY, 1, 0, fail);
    Status status = r.run(false, traced);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_EQ(status.message(), "division by zero");
    EXPECT_EQ(status.node(), "second");
    EXPECT_EQ(status.op(), "Opsecond");
    EXPECT_EQ(status.origin(), "model.py:2");
    EXPECT_EQ(r.log, (Names{"first", "second"}));
    EXPECT_EQ(r.y, (Floats{0, 0, 0, 0}));
  }
}

TEST(Frame, AnErrorThatKnowsItsNodeKeepsIt) {
  Runs r;
  r.step("outer", kX, kY, 1, 0, [](const RunArgs& args) {
    *args.status = make_error(Code::kOutOfRange, "index 7").at("inner", "Gather", "deep.py:3");
  });
  Status status = r.run(false);
  EXPECT_EQ(status.code(), Code::kOutOfRange);
  EXPECT_EQ(status.node(), "inner");
  EXPECT_EQ(status.op(), "Gather");
  EXPECT_EQ(status.origin(), "deep.py:3");
}

TEST(Frame, AFailureHoldsForOneWalk) {
  Runs r;
  bool fails = true;
  r.chain([&](const RunArgs& args) {
    if (fails) *args.status = invalid("not now");
  });
  auto frame = r.frame();
  frame->bind_input(0, r.x.data());
  frame->bind_output(0, r.y.data());
  EXPECT_FALSE(frame->run({}).ok());
  fails = false;
  ASSERT_TRUE(frame->run({}).ok());
  EXPECT_EQ(r.y, (Floats{10, 30, 50, 70}));
}

TEST(Frame, CancelledInAStepEndsAfterIt) {
  Runs r;
  CancelToken token;
  r.stop.set_token(&token);
  r.chain([&](const RunArgs&) { token.cancel(); });
  Status status = r.run(true);
  EXPECT_EQ(status.code(), Code::kCancelled);
  EXPECT_EQ(status.node(), "") << "no node is to blame";
  EXPECT_EQ(r.log, (Names{"first", "second"}));
}

TEST(Frame, CancelledBeforehandRunsNoStep) {
  Runs r;
  CancelToken token;
  token.cancel();
  r.stop.set_token(&token);
  r.chain();
  EXPECT_EQ(r.run(true).code(), Code::kCancelled);
  EXPECT_EQ(r.log, Names());
}

TEST(Frame, CancelledInTheLastStepIsNoSuccess) {
  Runs r;
  CancelToken token;
  r.stop.set_token(&token);
  r.step("only", kX, kY, 1, 0, [&](const RunArgs&) { token.cancel(); });
  EXPECT_EQ(r.run(true).code(), Code::kCancelled);
}

TEST(Frame, AStepThatFailsIsToldBeforeTheStop) {
  Runs r;
  CancelToken token;
  r.stop.set_token(&token);
  r.chain([&](const RunArgs& args) {
    token.cancel();
    *args.status = invalid("division by zero");
  });
  EXPECT_EQ(r.run(true).message(), "division by zero");
}

// Steps that take no time are not looked between. One of them that fails behind a stopped one may fail for what that left.
TEST(Frame, AnUnwatchedStepThatFailsAfterTheStopIsNotToBlame) {
  Runs r;
  CancelToken token;
  r.stop.set_token(&token);
  r.step("first", kX, arena(0), 1, 1, [&](const RunArgs&) { token.cancel(); });
  r.step("second", arena(0), kY, 2, 0, [](const RunArgs& args) { *args.status = invalid("index 8 is outside"); });
  r.plan->steps[1].watched = false;
  EXPECT_EQ(r.run(true).code(), Code::kCancelled);
  EXPECT_EQ(r.log, (Names{"first", "second"}));
}

TEST(Frame, ADeadlineThatPassesInAStepEndsAfterIt) {
  Runs r;
  r.stop.set_deadline_ns(INT64_MAX);
  r.chain([&](const RunArgs& args) { args.parallel->stop->set_deadline_ns(1); });
  EXPECT_EQ(r.run(true).code(), Code::kDeadlineExceeded);
  EXPECT_EQ(r.log, (Names{"first", "second"}));
}

TEST(Frame, WhatThePollSaysEndsTheWalkBeforeTheFirstStep) {
  Runs r;
  int polls = 0;
  r.stop.set_poll(
      [](void* user) {
        ++*static_cast<int*>(user);
        return Status(Code::kAborted, "the user said so");
      },
      &polls);
  r.chain();
  Status status = r.run(true);
  EXPECT_EQ(status.code(), Code::kAborted);
  EXPECT_EQ(status.message(), "the user said so");
  EXPECT_EQ(r.log, Names());
  EXPECT_EQ(polls, 1);
}

TEST(Frame, AStopThatNothingStopsChangesNothing) {
  Runs r;
  CancelToken token;
  r.stop.set_token(&token);
  r.stop.set_deadline_ns(INT64_MAX);
  r.stop.set_poll([](void*) { return Status(); }, nullptr);
  r.chain();
  ASSERT_TRUE(r.run(true, true).ok());
  EXPECT_EQ(r.y, (Floats{10, 30, 50, 70}));
}

// -- Memory.

TEST(Frame, AnArenaThatNoMemoryHoldsIsAnError) {
  HandPlan h;
  h.plan->arena_bytes = kMostBytes;
  Result<std::unique_ptr<Frame>> frame = Frame::make(h.plan);
  EXPECT_EQ(frame.status().code(), Code::kResourceExhausted) << frame.status().text();
}

TEST(Frame, AnArenaPastTheLimitIsAnError) {
  HandPlan h;
  h.plan->arena_bytes = 1 << 20;
  int64_t before = buffer_bytes_in_use();
  set_buffer_limit(before + (1 << 19));
  Result<std::unique_ptr<Frame>> frame = Frame::make(h.plan);
  set_buffer_limit(0);
  EXPECT_EQ(frame.status().code(), Code::kResourceExhausted) << frame.status().text();
  EXPECT_NE(frame.status().message().find("allocating 1048576 bytes would pass the limit"), std::string::npos)
      << frame.status().text();
  EXPECT_EQ(buffer_bytes_in_use(), before);
  EXPECT_TRUE(Frame::make(h.plan).ok());
}

TEST(Frame, ManyFramesOfOnePlanAreWalkedAtOnce) {
  HandPlan h;
  h.step("first", kX, arena(0), 1, 1, {}, false);
  h.step("second", arena(0), arena(0), 2, 0, {}, false);
  h.step("third", arena(0), kY, 1, -3, {}, false);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      auto frame = h.frame();
      for (int i = 0; i < 500; ++i) {
        float start = static_cast<float>(t * 1000 + i);
        const Floats x(kCount, start);
        Floats y(kCount);
        frame->bind_input(0, x.data());
        frame->bind_output(0, y.data());
        if (!frame->run({}).ok() || y != Floats(kCount, start * 2 - 1)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// -- Traces.

TEST(Trace, IsEmptyBeforeAnythingRan) { EXPECT_EQ(Trace().json(), "{\"traceEvents\":[\n]}\n"); }

TEST(Trace, CountsMicrosecondsFromTheFirstStep) {
  Trace trace;
  trace.add({"dense/MatMul", "MatMul", "", "simd"}, 5'000'000, 5'002'500);
  trace.add({"dense/Add", "Add", "", "reference"}, 5'003'000, 5'003'001);
  EXPECT_EQ(trace.json(),
            "{\"traceEvents\":[\n"
            "{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":\"MatMul\",\"ts\":0,\"dur\":2.5,"
            "\"args\":{\"node\":\"dense/MatMul\",\"kernel\":\"simd\"}},\n"
            "{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":\"Add\",\"ts\":3,\"dur\":0.001,"
            "\"args\":{\"node\":\"dense/Add\",\"kernel\":\"reference\"}}\n"
            "]}\n");
}

// What follows each `key` in the JSON text, decoded.
Names texts_of(const std::string& json, std::string_view key) {
  JsonReader reader(json);
  Names found;
  for (;;) {
    Result<JsonEvent> event = reader.next();
    EXPECT_TRUE(event.ok()) << event.status().text();
    if (!event.ok() || *event == JsonEvent::kEnd) return found;
    if (*event == JsonEvent::kKey && reader.text() == key) found.push_back(*reader.next_string(key));
  }
}

TEST(Trace, NamesReadBackAsTheyAre) {
  Trace trace;
  const std::string odd = "a \"quoted\" \\ name\n\twith \x01 and Größe";
  trace.add({odd, "Op", "", "hand"}, 0, 1);
  EXPECT_EQ(texts_of(trace.json(), "node"), (Names{odd}));
}

TEST(Trace, HasEveryStepThatRanInOrder) {
  Runs r;
  r.chain();
  ASSERT_TRUE(r.run(false, true).ok());
  EXPECT_EQ(texts_of(r.trace.json(), "node"), (Names{"first", "second", "third", "fourth"}));
  EXPECT_EQ(texts_of(r.trace.json(), "name"), (Names{"Opfirst", "Opsecond", "Opthird", "Opfourth"}));
  EXPECT_EQ(texts_of(r.trace.json(), "kernel"), (Names{"hand", "hand", "hand", "hand"}));
  EXPECT_EQ(r.y, (Floats{10, 30, 50, 70}));
  ASSERT_TRUE(r.run(false, true).ok());
  EXPECT_EQ(texts_of(r.trace.json(), "node").size(), 8u);
}

TEST(Trace, EndsWhereTheWalkDid) {
  Runs r;
  r.chain([](const RunArgs& args) { *args.status = invalid("division by zero"); });
  EXPECT_FALSE(r.run(false, true).ok());
  EXPECT_EQ(texts_of(r.trace.json(), "node"), (Names{"first"}));
}

}  // namespace
}  // namespace weft
