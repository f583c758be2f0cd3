// Running graphs with the C++ header: files, variables, prepared calls, ways to stop, threads, order of closing.
#include <atomic>
#include <thread>

#include "../test_folder.h"
#include "support.h"

namespace {

using weft::DType;
using weft::Tensor;
using weft::Value;
using Running = NoLeaks;

// y = w x, where w begins as 2.
struct Line {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "n");
  Value w = graph.variable("w", 2.0f);
  Value y = x * w;
  Value more = weft::assign(w, w + 1);
  weft::Session session{graph};

  std::vector<float> run(const std::vector<float>& numbers) const { return run(session, numbers); }
  std::vector<float> run(const weft::Session& with, const std::vector<float>& numbers) const {
    return with.run({{x, fed(numbers)}}, {y})[0].to_vector<float>();
  }
  static Tensor fed(const std::vector<float>& numbers) {
    return Tensor::from({static_cast<int64_t>(numbers.size())}, numbers);
  }
};

using Numbers = std::vector<float>;

TEST_F(Running, TargetsAreForTheirEffect) {
  Line line;
  line.session.initialise();
  EXPECT_TRUE(line.session.run({}, {}, {line.more}).empty());
  EXPECT_EQ(line.run({1, 2}), (Numbers{3, 6}));
  EXPECT_EQ(line.session.get("w").item<float>(), 3);
  line.session.set(line.w, Tensor::scalar(0.5f));
  EXPECT_EQ(line.run({1, 2}), (Numbers{0.5f, 1}));
  EXPECT_EQ(line.session.describe().find(R"({"runs": 3, )"), 0u) << line.session.describe();
  line.session.trim();
  EXPECT_NE(line.session.describe().find(R"("calls": [])"), std::string::npos);
  EXPECT_EQ(line.run({4}), (Numbers{2}));
  EXPECT_EQ(error_of([&] { line.session.get("v"); }).code(), WEFT_NOT_FOUND);
  EXPECT_EQ(error_of([&] { line.session.set("w", Tensor::scalar(1.0)); }).code(), WEFT_INVALID_ARGUMENT);
  EXPECT_EQ(error_of([&] { line.session.set("w", Tensor()); }).code(), WEFT_FAILED_PRECONDITION);
}

TEST_F(Running, AttachedAssignmentsHappenInEveryRun) {
  Line line;
  line.graph.attach(line.y, line.more);
  EXPECT_EQ(line.run({1}), (Numbers{2}));
  EXPECT_EQ(line.run({1}), (Numbers{3}));
}

TEST_F(Running, WrongFeedsAreErrors) {
  Line line;
  const Value other = line.graph.input("other", DType::f32, "2");
  EXPECT_EQ(error_of([&] { line.session.run({}, {line.y}); }).code(), WEFT_INVALID_ARGUMENT);
  const weft::Error error = error_of([&] { line.session.run({{other, line.fed({1, 2, 3})}}, {other}); });
  EXPECT_EQ(error.code(), WEFT_INVALID_ARGUMENT);
  EXPECT_NE(std::string(error.what()).find("other"), std::string::npos) << error.what();
  EXPECT_NE(std::string(error.what()).find("INVALID_ARGUMENT"), std::string::npos);
  EXPECT_EQ(error_of([&] {
              line.session.run({{line.x, Tensor::scalar(1.0)}}, {line.y});
            }).code(),
            WEFT_INVALID_ARGUMENT);
  EXPECT_EQ(error_of([&] { line.session.run({{line.x, Tensor()}}, {line.y}); }).code(), WEFT_FAILED_PRECONDITION);
  EXPECT_EQ(error_of([&] { line.session.run({}, {Value()}); }).code(), WEFT_INVALID_ARGUMENT);
}

TEST_F(Running, ErrorsOfRunsNameTheNodeAndItsLine) {
  weft::Graph graph;
  Value i = graph.input("i", DType::i64, "");
  const int line = __LINE__ + 1;
  Value y = weft::gather(graph.constant(std::vector<float>{1, 2}), i, {}, "pick");
  const weft::Error error = error_of([&] { weft::Session(graph).run({{i, Tensor::scalar(int64_t{5})}}, {y}); });
  EXPECT_EQ(error.node(), "pick");
  EXPECT_EQ(error.op(), "Gather");
  EXPECT_EQ(error.origin(), std::string(__FILE__) + ":" + std::to_string(line));
  for (const std::string& part : {std::string(error.code_name()), error.message(), error.node(), error.origin()}) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << part;
  }
}

TEST_F(Running, ModelsGoThroughFiles) {
  TemporaryFile file("model.onnx"), weights("weights.safetensors");
  Line line;
  line.session.set("w", Tensor::scalar(4.0f));
  line.graph.save(file.path(), {line.y}, &line.session);
  {
    weft::Graph graph = weft::Graph::load(file.path());
    EXPECT_TRUE(graph.variables().empty());
    auto out = weft::Session(graph).run({{graph.inputs().at(0), line.fed({1, 2})}}, graph.outputs());
    EXPECT_EQ(out.at(0).to_vector<float>(), (Numbers{4, 8}));
  }
  {
    weft::LoadOptions options;
    options.trainable = {"*"};
    const std::string bytes = file.content();
    weft::Graph graph = weft::Graph::load_bytes(bytes.data(), bytes.size(), options);
    ASSERT_EQ(graph.variables().size(), 1u);
    EXPECT_EQ(weft::Session(graph).get(graph.variables()[0]).item<float>(), 4);
    options.trainable = {"unknown"};
    EXPECT_THROW(weft::Graph::load(file.path(), options), weft::Error);
  }
  line.graph.save(file.path(), {line.y});  // the initial value without a session
  EXPECT_EQ(weft::Graph::load(file.path()).outputs().size(), 1u);
  EXPECT_EQ(error_of([&] { weft::Graph::load_bytes("\x08", 1); }).code(), WEFT_DATA_LOSS);
  const std::string bytes = file.content(), told = weft::inspect_bytes(bytes.data(), bytes.size());
  EXPECT_NE(told.find("\"unsupported\": []"), std::string::npos) << told;
  EXPECT_EQ(error_of([&] { weft::inspect_bytes("\x08", 1); }).code(), WEFT_DATA_LOSS);
  EXPECT_EQ(error_of([] { weft::Graph::load("/no/such.onnx"); }).code(), WEFT_NOT_FOUND);
  EXPECT_EQ(error_of([&] { line.graph.save(file.path(), {line.more}); }).code(), WEFT_UNIMPLEMENTED);
}

TEST_F(Running, ModelsKeepTheirTrainingAndWeights) {
  TemporaryFile file("training.onnx");
  TemporaryFile weights("training.weights");
  Numbers many(1000, 2);
  {
    weft::Graph graph;
    Value w = graph.variable("w", Tensor::from({1000}, many));
    Value more = weft::assign(w, w + 1);
    more.set_name("more");
    weft::SaveOptions options;
    options.training = true;
    options.weights = weights.path().substr(weights.path().rfind('/') + 1);
    graph.save(file.path(), {more}, nullptr, options);
  }
  EXPECT_LT(file.content().size(), 4000u);
  EXPECT_GT(weights.content().size(), 4000u);
  for (bool from_bytes : {false, true}) {
    weft::LoadOptions options;
    options.map = !from_bytes;
    options.folder = file.path().substr(0, file.path().rfind('/'));
    const std::string bytes = file.content();
    weft::Graph graph = from_bytes ? weft::Graph::load_bytes(bytes.data(), bytes.size(), options)
                                   : weft::Graph::load(file.path(), options);
    weft::Session session(graph);
    session.run({}, {}, {graph.find("more")});
    EXPECT_EQ(session.get("w").to_vector<float>(), Numbers(1000, 3));
  }
}

TEST_F(Running, ModelsAreOfTheOpsetThatIsAskedFor) {
  TemporaryFile file("older.onnx");
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "2");
  const Value y = weft::gelu(x);
  weft::SaveOptions options;
  options.opset = 17;
  graph.save(file.path(), {y}, nullptr, options);
  const std::string told = weft::inspect(file.path());
  EXPECT_NE(told.find("\"ai.onnx\": 17"), std::string::npos) << told;
  EXPECT_NE(told.find("\"Erf\": 1"), std::string::npos) << told;
  options.opset = 8;
  EXPECT_EQ(error_of([&] { graph.save(file.path(), {y}, nullptr, options); }).code(), WEFT_UNIMPLEMENTED);
  options.opset = 6;
  EXPECT_EQ(error_of([&] { graph.save(file.path(), {y}, nullptr, options); }).code(), WEFT_INVALID_ARGUMENT);
}

TEST_F(Running, CheckpointsGoThroughFiles) {
  TemporaryFile file("checkpoint.safetensors");
  Line line, other;
  line.session.set("w", Tensor::scalar(7.0f));
  line.session.save(file.path());
  other.session.load(file.path());
  EXPECT_EQ(other.run({1}), (Numbers{7}));
  weft::Graph larger;
  larger.variable("w", 1.0f);
  larger.variable("v", 1.0f);
  weft::Session session(larger);
  EXPECT_EQ(error_of([&] { session.load(file.path()); }).code(), WEFT_INVALID_ARGUMENT);
  EXPECT_EQ(session.get("w").item<float>(), 1);
  session.load(file.path(), true);
  EXPECT_EQ(session.get("w").item<float>(), 7);
}

TEST_F(Running, ErrorsOfFilesTellWhatTheSystemSaid) {
  weft::Error none = error_of([] { weft::Graph::load("/nowhere/model.onnx"); });
  EXPECT_EQ(none.code(), WEFT_NOT_FOUND);
  EXPECT_EQ(none.system_error(), std::errc::no_such_file_or_directory);
  EXPECT_FALSE(error_of([] { weft::Tensor::strings({2}, {"a"}); }).system_error());
}

TEST_F(Running, PackedWeightsAreKeptInAFolder) {
  const weft::TestFolder folder;
  weft::SessionOptions options;
  options.weight_cache = folder / "cache";
  for (int i = 0; i < 2; ++i) {
    weft::Graph graph;
    Value x = graph.input("x", DType::f32, "1, 160");
    Value y = weft::matmul(x, graph.constant(Tensor::from({160, 128}, Numbers(160 * 128, 1.0f))));
    weft::Session session(graph, options);
    const std::vector<Tensor> out = session.run({{x, Tensor::from({1, 160}, Numbers(160, 1.0f))}}, {y});
    EXPECT_EQ(out[0].to_vector<float>(), Numbers(128, 160.0f));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(options.weight_cache), {}), 1);
  }
  options.weight_cache.resize(5000, 'n');
  weft::Graph graph;
  EXPECT_EQ(error_of([&] { weft::Session(graph, options); }).code(), WEFT_INVALID_ARGUMENT);
}

TEST_F(Running, SessionsShareVariables) {
  Line line;
  weft::SessionOptions options;
  options.share = &line.session;
  options.threads = 1;
  options.max_plans = 1;
  options.reference_kernels = true;
  options.disable_pass = {"*"};
  {
    weft::Session same(line.graph, options);
    same.set("w", Tensor::scalar(5.0f));
    line.session.close();
    EXPECT_EQ(line.run(same, {1, 2}), (Numbers{5, 10}));
    EXPECT_EQ(error_of([&] { line.run({1}); }).code(), WEFT_FAILED_PRECONDITION);
  }
  options = {};
  options.threads = -1;
  EXPECT_EQ(error_of([&] { weft::Session(line.graph, options); }).code(), WEFT_INVALID_ARGUMENT);
}

TEST_F(Running, ConstantMatricesAreKeptAsBf16WhereThatIsAskedFor) {
  weft::Graph graph;
  const Value x = graph.input("x", DType::f32, "1, 128");
  // Half way between two bf16, of which 1 is even.
  const Tensor matrix = Tensor::from({128, 128}, Numbers(128 * 128, 1 + 1.0f / 256));
  const Value y = weft::matmul(x, graph.constant(matrix));
  const auto first = [&](const std::string& dtype) {
    weft::SessionOptions options;
    options.weight_dtype = dtype;
    return weft::Session(graph, options)
        .run({{x, Tensor::from({1, 128}, Numbers(128, 1))}}, {y})[0]
        .to_vector<float>()[0];
  };
  EXPECT_EQ(first("f32"), 128.5f);
  EXPECT_EQ(first("bf16"), 128);
  EXPECT_NE(std::string(error_of([&] { first("f16"); }).what()).find("'f32' or 'bf16'"), std::string::npos);
}

TEST_F(Running, PreparedCalls) {
  Line line;
  weft::Prepared prepared = line.session.prepare({line.x}, {line.y});
  EXPECT_EQ(error_of([&] { prepared.run(); }).code(), WEFT_FAILED_PRECONDITION);  // nothing is bound
  Tensor in = line.fed({1, 2}), out = Tensor::zeros(DType::f32, {2});
  prepared.bind_input(0, in);
  EXPECT_EQ(error_of([&] { prepared.output(0); }).code(), WEFT_FAILED_PRECONDITION);  // nothing was run
  prepared.run();
  EXPECT_EQ(prepared.output(0).to_vector<float>(), (Numbers{2, 4}));
  prepared.bind_output(0, out);
  in.mutable_data<float>()[1] = 10;
  prepared.run();
  EXPECT_EQ(out.to_vector<float>(), (Numbers{2, 20}));
  prepared.bind_output(0, Tensor());
  prepared.bind_input(0, line.fed({3}));
  prepared.run();
  EXPECT_EQ(prepared.output(0).to_vector<float>(), (Numbers{6}));
  EXPECT_EQ(out.to_vector<float>(), (Numbers{2, 20}));
  EXPECT_THROW(prepared.bind_input(1, in), weft::Error);
  EXPECT_THROW(prepared.bind_input(0, Tensor::scalar(true)), weft::Error);
  EXPECT_THROW(prepared.output(-1), weft::Error);
  prepared.close();
  prepared.close();
  EXPECT_EQ(error_of([&] { prepared.run(); }).code(), WEFT_FAILED_PRECONDITION);
  weft::Prepared moved = std::move(prepared);
  EXPECT_EQ(error_of([&] { prepared.run(); }).code(), WEFT_FAILED_PRECONDITION);
}

TEST_F(Running, InputsOfHostFunctionsAreReadOnly) {
  Line line;
  int refused = 0;
  weft::set_host_function("cpp/spoil", [&](const std::vector<Tensor>& in) {
    for (Tensor view : {in[0], in[0].reshape({1, 1}), Tensor::sequence({in[0]}).at(0)}) {
      refused += error_of([&] { view.mutable_data<float>()[0] = -99; }).code() == WEFT_FAILED_PRECONDITION;
    }
    return in;
  });
  Value constant = line.graph.constant(Tensor::from<float>({1}, {2.0f}));
  for (const Value& value : {line.x, line.w, constant, line.y}) {
    Value y = line.graph.host_call("cpp/spoil", {value}, {{DType::f32, "..."}})[0];
    EXPECT_EQ(line.session.run({{line.x, line.fed({2})}}, {y})[0].data<float>()[0], value == line.y ? 4 : 2);
  }
  EXPECT_EQ(refused, 12);
  weft::remove_host_function("cpp/spoil");
}

TEST_F(Running, PreparedCallsAreForOneThread) {
  Line line;
  std::atomic<int> refused = 0;
  weft::set_host_function("cpp/again", [&](const std::vector<Tensor>& in) { return in; });
  Value y = line.graph.host_call("cpp/again", {line.x}, {{DType::f32, "n"}})[0];
  weft::Prepared prepared = line.session.prepare({line.x}, {y});
  prepared.bind_input(0, line.fed({1}));
  weft::set_host_function("cpp/again", [&](const std::vector<Tensor>& in) {
    std::thread([&] { refused += error_of([&] { prepared.run(); }).code() == WEFT_FAILED_PRECONDITION; }).join();
    return in;
  });
  prepared.run();
  EXPECT_EQ(refused, 1);
  weft::remove_host_function("cpp/again");
}

TEST_F(Running, TracesCollect) {
  Line line;
  weft::RunOptions options;
  options.trace = weft::Trace();
  line.session.run({{line.x, line.fed({1})}}, {line.y}, {}, options);
  EXPECT_NE(options.trace->json().find("Mul"), std::string::npos) << options.trace->json();
  TemporaryFile file("trace.json");
  options.trace->save(file.path());
  EXPECT_EQ(file.content(), options.trace->json());
  for (const auto& [path, why] : {std::pair{"/dev/full", std::errc::no_space_on_device},
                                  std::pair{"no/such/folder", std::errc::no_such_file_or_directory}}) {
    try {
      options.trace->save(path);
      ADD_FAILURE() << path;
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code(), why) << error.what();
    }
  }
}

TEST_F(Running, TimeoutsAndCancelsStop) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "256,256"), y = x;
  for (int i = 0; i < 2000; ++i) y = weft::matmul(y, x);
  weft::Session session(graph);
  weft::Prepared prepared = session.prepare({x}, {y});
  const Tensor zeros = Tensor::zeros(DType::f32, {256, 256});
  prepared.bind_input(0, zeros);
  weft::RunOptions options;
  auto code = [&] { return error_of([&] { session.run({{x, zeros}}, {y}, {}, options); }).code(); };
  auto prepared_code = [&] { return error_of([&] { prepared.run(options); }).code(); };
  for (double seconds : {0.0, -1.0, 1e-9}) {
    options.timeout_s = seconds;
    EXPECT_EQ(code(), WEFT_DEADLINE_EXCEEDED);
    EXPECT_EQ(prepared_code(), WEFT_DEADLINE_EXCEEDED);
  }
  options.timeout_s.reset();
  options.cancel = weft::Cancel();
  options.cancel->set();
  EXPECT_TRUE(options.cancel->get());
  EXPECT_EQ(code(), WEFT_CANCELLED);
  EXPECT_EQ(prepared_code(), WEFT_CANCELLED);
  options.cancel->set(false);
  EXPECT_FALSE(options.cancel->get());
  options.timeout_s = 1e9;
  EXPECT_EQ(session.run({{x, zeros}}, {x}, {}, options)[0].count(), 65536);
}

TEST_F(Running, PollsEndRuns) {
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, "512,512"), y = x;
  for (int i = 0; i < 2000; ++i) y = weft::matmul(y, x);
  weft::RunOptions options;
  options.poll = [] { throw Mine(); };
  const Tensor zeros = Tensor::zeros(DType::f32, {512, 512});
  EXPECT_THROW(weft::Session(graph).run({{x, zeros}}, {y}, {}, options), Mine);
}

TEST_F(Running, ManyThreadsRunOneSession) {
  Line line;
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (size_t i = 0; i < wrong.size(); ++i) {
    threads.emplace_back([&, i] {
      const float number = static_cast<float>(i);
      for (int n = 0; n < 200; ++n) wrong[i] += line.run({number, 1}) != Numbers{2 * number, 2};
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

TEST_F(Running, RunsOfAssignmentsComeOneAfterAnother) {
  Line line;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n) line.session.run({}, {}, {line.more});
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(line.session.get("w").item<float>(), 202);
}

TEST_F(Running, ObjectsGoInAnyOrder) {
  for (int order = 0; order < 6; ++order) {
    auto graph = std::make_unique<weft::Graph>();
    Value x = graph->input("x", DType::f32, "2");
    auto layer = std::make_unique<weft::Layer>(graph->layer("Flatten", {}, "flat"));
    auto session = std::make_unique<weft::Session>(*graph);
    auto prepared = std::make_unique<weft::Prepared>(session->prepare({x}, {x + 1}));
    Tensor in = Line::fed({1, 2});
    prepared->bind_input(0, in);
    if (order % 2 == 0) graph.reset();
    if (order / 2 == 0) {
      session.reset();
      EXPECT_EQ(error_of([&] { prepared->run(); }).code(), WEFT_FAILED_PRECONDITION);
    }
    if (order / 2 == 1) {
      in = Tensor();
      prepared->run();
      in = prepared->output(0);
      prepared.reset();
      session.reset();
      EXPECT_EQ(in.to_vector<float>(), (Numbers{2, 3}));
    }
    if (order / 2 == 2) layer.reset();
    x = Value();
  }
}

TEST_F(Running, MovedFromObjectsThrow) {
  Line line;
  weft::Session session = std::move(line.session);
  EXPECT_EQ(line.run(session, {1}), (Numbers{2}));
  const weft::Session& moved = line.session;
  EXPECT_EQ(error_of([&] { line.run({1}); }).code(), WEFT_FAILED_PRECONDITION);
  EXPECT_EQ(error_of([&] { moved.get("w"); }).code(), WEFT_FAILED_PRECONDITION);
  EXPECT_EQ(error_of([&] { moved.save("x"); }).code(), WEFT_FAILED_PRECONDITION);
  EXPECT_EQ(error_of([&] { moved.close(); }).code(), WEFT_FAILED_PRECONDITION);
  line.session = std::move(session);
  EXPECT_EQ(line.run({1}), (Numbers{2}));
  line.session.close();
  line.session.close();
}

}  // namespace
