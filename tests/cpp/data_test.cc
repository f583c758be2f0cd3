// Datasets of the C++ header: batches that a function gives.
#include <thread>

#include "support.h"

namespace {

using Data = NoLeaks;

const std::vector<std::string> kNames{"x", "y"};

// y = 2 x for x = 1 .. 10, in batches of 4, 4 and 2 rows. After `good` batches it throws.
weft::NextBatch doubles(int good = 1000) {
  return [given = 0, good]() mutable -> std::vector<weft::Tensor> {
    std::vector<float> x, y;
    for (; given < 10 && x.size() < 4; ++given) {
      x.push_back(static_cast<float>(given + 1));
      y.push_back(2 * x.back());
    }
    if (x.empty()) return {};
    if (good-- == 0) throw Mine();
    int64_t rows = static_cast<int64_t>(x.size());
    return {weft::Tensor::from<float>({rows}, x), weft::Tensor::from<float>({rows}, y)};
  };
}

// w x = y, to be learned.
struct Line {
  weft::Graph graph;
  weft::Value x = graph.input("x", weft::DType::f32, "n"), y = graph.input("y", weft::DType::f32, "n");
  weft::Value w = graph.variable("w", weft::Tensor::scalar(0.0f));
  weft::Value loss = mean((x * w - y) * (x * w - y));
  weft::Value step = weft::Sgd(0.001).minimize(loss);
  weft::Session session{graph};

  static weft::Value mean(const weft::Value& value) { return weft::reduce_mean(value, {}, {false}); }
};

TEST_F(Data, AFunctionTrainsAsRowsDo) {
  weft::FitOptions options;
  options.epochs = 3;
  options.shuffle = false;
  std::vector<float> x(10), y(10);
  for (int i = 0; i < 10; ++i) y[static_cast<size_t>(i)] = 2 * (x[static_cast<size_t>(i)] = static_cast<float>(i + 1));
  weft::Dataset rows({weft::Tensor::from<float>({10}, x), weft::Tensor::from<float>({10}, y)});
  Line by_rows, by_function;
  options.batch_size = 4;
  auto wanted = by_rows.session.fit(rows, {by_rows.x, by_rows.y}, by_rows.step, {by_rows.loss}, options);
  std::vector<int64_t> epochs;
  auto data = weft::Dataset::from_function(
      [&](int64_t epoch) {
        epochs.push_back(epoch);
        return doubles();
      },
      kNames);
  EXPECT_EQ(data.count(), -1);
  EXPECT_EQ(data.width(), 2);
  std::vector<weft::Value> feeds{by_function.x, by_function.y};
  options.batch_size.reset();
  std::vector<int64_t> counts;
  options.callback = [&](const weft::FitEvent& event) {
    counts.push_back(event.batch_count);
    return false;
  };
  auto found = by_function.session.fit(data, feeds, by_function.step, {by_function.loss}, options);
  EXPECT_EQ(found.epochs, wanted.epochs);
  EXPECT_EQ(by_function.session.get("w").item<float>(), by_rows.session.get("w").item<float>());
  EXPECT_EQ(epochs, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(counts, (std::vector<int64_t>{-1, -1, -1, 3, -1, -1, -1, 3, -1, -1, -1, 3}));
  EXPECT_EQ(by_function.session.evaluate(data, feeds, {by_function.loss}),
            by_rows.session.evaluate(rows, {by_rows.x, by_rows.y}, {by_rows.loss}, {4}));
  EXPECT_EQ(by_function.session.predict(data, feeds, {by_function.y})[0].to_vector<float>(), y);
}

TEST_F(Data, FilesMayBeMapped) {
  for (bool map : {false, true}) {
    int64_t before = weft::memory_bytes();
    auto digits = weft::Dataset::load("examples/data/digits.safetensors", {"images"}, map);
    EXPECT_EQ(digits.count(), 1797);
    EXPECT_EQ(weft::memory_bytes() - before >= 1797 * 64 * 4, !map);
  }
}

TEST_F(Data, PassesAreTheirOwn) {
  auto data = weft::Dataset::from_function([](int64_t) { return doubles(); }, kNames);
  weft::Batches one(data), other(data);
  EXPECT_EQ(one.next()[0].to_vector<float>(), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(one.next()[1].to_vector<float>(), (std::vector<float>{10, 12, 14, 16}));
  EXPECT_EQ(other.next()[0].to_vector<float>(), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(one.next()[0].to_vector<float>(), (std::vector<float>{9, 10}));
  EXPECT_TRUE(one.next().empty());
  EXPECT_TRUE(one.next().empty());
}

TEST_F(Data, TheFunctionDecides) {
  Line line;
  auto data = weft::Dataset::from_function([](int64_t) { return doubles(); }, kNames);
  weft::BatchOptions batching;
  batching.shuffle = true;
  EXPECT_THROW(weft::Batches(data, batching), weft::Error);
  weft::FitOptions options;
  options.shuffle = true;
  EXPECT_THROW(line.session.fit(data, {line.x, line.y}, line.step, {}, options), weft::Error);
  EXPECT_THROW(line.session.evaluate(data, {line.x, line.y}, {line.loss}, {4}), weft::Error);
  EXPECT_THROW(data.rows(0, 1), weft::Error);
}

TEST_F(Data, ExceptionsComeBackAsTheyAre) {
  Line line;
  auto data = weft::Dataset::from_function([](int64_t) { return doubles(2); }, kNames);
  std::vector<weft::Value> feeds{line.x, line.y};
  EXPECT_THROW(line.session.fit(data, feeds, line.step, {}), Mine);
  EXPECT_NE(line.session.get("w").item<float>(), 0);  // of the two steps before
  EXPECT_THROW(line.session.evaluate(data, feeds, {line.loss}), Mine);
  EXPECT_THROW(line.session.predict(data, feeds, {line.y}), Mine);
  weft::Batches batches(data);
  batches.next();
  batches.next();
  EXPECT_THROW(batches.next(), Mine);
  auto none = weft::Dataset::from_function([](int64_t) -> weft::NextBatch { throw Mine(); }, kNames);
  EXPECT_THROW(weft::Batches{none}, Mine);
}

TEST_F(Data, WrongFunctions) {
  Line line;
  std::vector<weft::Value> feeds{line.x, line.y};
  auto fit = [&](weft::BeginPass begin) {
    line.session.fit(weft::Dataset::from_function(std::move(begin), kNames), feeds, line.step, {});
  };
  EXPECT_THROW(fit(nullptr), weft::Error);
  EXPECT_THROW(fit([](int64_t) { return nullptr; }), weft::Error);
  EXPECT_THROW(fit([](int64_t) { return [] { return std::vector<weft::Tensor>{}; }; }), weft::Error);
  EXPECT_THROW(fit([](int64_t) { return [] { return std::vector{weft::Tensor::scalar(1.0f)}; }; }), weft::Error);
  EXPECT_THROW(fit([](int64_t) { return [] { return std::vector{weft::Tensor(), weft::Tensor()}; }; }), weft::Error);
  EXPECT_THROW(weft::Dataset::from_function([](int64_t) { return doubles(); }, {}), weft::Error);
}

TEST_F(Data, Closed) {
  Line line;
  weft::Dataset data({weft::Tensor::from<float>({3}, std::vector<float>{1, 2, 3}),
                      weft::Tensor::from<float>({3}, std::vector<float>{3, 5, 7})});
  weft::Dataset same = data, rows = data.rows(0, 2);
  weft::FitOptions options;
  options.epochs = 2;
  options.callback = [&](const weft::FitEvent&) {
    same.close();
    return false;
  };
  auto fit = [&] { return line.session.fit(data, {line.x, line.y}, line.step, {}, options); };
  EXPECT_EQ(fit().epochs.size(), 2u) << "what was begun goes on";
  data.close();
  try {
    fit();
    FAIL() << "closed";
  } catch (const weft::Error& error) {
    EXPECT_EQ(error.code(), WEFT_FAILED_PRECONDITION);
    EXPECT_NE(std::string(error.what()).find("this dataset is closed"), std::string::npos) << error.what();
  }
  EXPECT_EQ(rows.at(0).shape()[0], 2);
}

TEST_F(Data, ClosedAndLetGoInBetween) {
  auto held = std::make_shared<int>(1);
  {
    Line line;
    std::optional<weft::Dataset> data;
    data = weft::Dataset::from_function(
        [&, held](int64_t) {
          data.reset();  // the pass goes on
          return doubles();
        },
        kNames);
    EXPECT_EQ(held.use_count(), 2);
    line.session.fit(*data, {line.x, line.y}, line.step, {});
    EXPECT_EQ(held.use_count(), 1);
    auto closing = weft::Dataset::from_function(
        [&line](int64_t) {
          return [&line, next = doubles()]() mutable {
            line.session.close();
            return next();
          };
        },
        kNames);
    try {
      line.session.fit(closing, {line.x, line.y}, line.step, {});
      ADD_FAILURE() << "a closed session trains";
    } catch (const weft::Error& error) {
      EXPECT_EQ(error.code(), WEFT_FAILED_PRECONDITION);
    }
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(Data, ThreadsGoThroughOneDataset) {
  Line line;
  auto data = weft::Dataset::from_function([](int64_t) { return doubles(); }, kNames);
  std::vector<weft::Value> feeds{line.x, line.y};
  auto wanted = line.session.evaluate(data, feeds, {line.loss});
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (size_t i = 0; i < wrong.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 20; ++n) wrong[i] += line.session.evaluate(data, feeds, {line.loss}) != wanted;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, (std::vector<int>{0, 0, 0, 0}));
}

}  // namespace
