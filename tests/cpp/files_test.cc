// Files that are damaged, hostile or cannot be written: errors of the C++ header, and old files that stay.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <locale>

#include "support.h"

namespace {

using weft::DType;
using weft::Tensor;
using weft::Value;
using Files = NoLeaks;

// x w, and a session that has begun to train w.
struct Model {
  explicit Model(int64_t rows = 2) : rows(rows) { session.set(w, Tensor::from({rows}, std::vector<float>(size(), 3))); }
  size_t size() const { return static_cast<size_t>(rows); }

  const int64_t rows;
  weft::Graph graph;
  Value x = graph.input("x", DType::f32, std::to_string(rows));
  Value w = graph.variable("w", Tensor::from({rows}, std::vector<float>(size(), 2)));
  Value y = weft::reshape(weft::concat({x * w, x}, {0}), graph.constant(std::vector<int64_t>{2, -1}));
  weft::Session session{graph};
};

void save_tensors(const std::string& path) { weft::save_tensors(path, {{"a", Tensor::zeros(DType::f32, {10'000})}}); }

// What a full disk does, as far as a process can bring it about: no file may have more than 1000 bytes.
template <typename Call>
weft::Error error_on_a_full_disk(Call call) {
  rlimit before;
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{1000, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);  // had SIGXFSZ come, which nobody ignores, the tests would be over
  const weft::Error error = error_of(call);
  setrlimit(RLIMIT_FSIZE, &before);
  return error;
}

TEST_F(Files, AFullDiskLeavesTheOldFile) {
  TemporaryFile file("full.safetensors", "old");
  Model model(10'000);
  const std::function<void()> writers[] = {
      [&] { model.graph.save(file.path(), {model.y}, &model.session); },
      [&] { model.session.save(file.path()); },
      [&] { save_tensors(file.path()); },
  };
  for (const auto& write : writers) {
    const weft::Error error = error_on_a_full_disk(write);
    EXPECT_EQ(error.code(), WEFT_RESOURCE_EXHAUSTED) << error.what();
    EXPECT_EQ(error.system_error(), std::errc::file_too_large);
    EXPECT_NE(error.message().find(file.path()), std::string::npos) << error.what();
    EXPECT_EQ(file.content(), "old");
    write();
    EXPECT_GT(file.content().size(), 40'000u);
    std::remove(file.path().c_str());
    error_on_a_full_disk(write);
    EXPECT_NE(access(file.path().c_str(), F_OK), 0) << "a part of a file was left";
    file.write("old");
  }
}

TEST_F(Files, AFolderInPlaceOfAFile) {
  TemporaryFile folder("folder.safetensors");
  ASSERT_EQ(mkdir(folder.path().c_str(), 0700), 0);
  Model model;
  const std::function<void()> uses[] = {
      [&] { weft::Graph::load(folder.path()); },  [&] { weft::inspect(folder.path()); },
      [&] { weft::load_tensors(folder.path()); }, [&] { weft::Dataset::load(folder.path()); },
      [&] { model.session.load(folder.path()); }, [&] { model.graph.save(folder.path(), {model.y}); },
      [&] { model.session.save(folder.path()); }, [&] { save_tensors(folder.path()); },
  };
  for (const auto& use : uses) {
    const weft::Error error = error_of(use);
    EXPECT_EQ(error.code(), WEFT_INVALID_ARGUMENT) << error.what();
    EXPECT_EQ(error.system_error(), std::errc::is_a_directory);
  }
  EXPECT_EQ(rmdir(folder.path().c_str()), 0) << "something was left in the folder";
}

// Loads and runs a model. What a file brings about is never called INTERNAL or UNKNOWN: those are our own mistakes.
int32_t code_of(const std::string& bytes) {
  try {
    weft::Graph graph = weft::Graph::load_bytes(bytes.data(), bytes.size());
    weft::Session session(graph);
    weft::Feeds feeds;
    for (const Value& input : graph.inputs()) feeds.emplace_back(input, Tensor::from<float>({2}, {1, 1}));
    weft::RunOptions options;
    options.timeout_s = 1;
    session.run(feeds, graph.outputs(), {}, options);
    return WEFT_OK;
  } catch (const weft::Error& error) {
    EXPECT_FALSE(error.message().empty());
    EXPECT_NE(error.code(), WEFT_INTERNAL) << error.what();
    EXPECT_NE(error.code(), WEFT_UNKNOWN) << error.what();
    return error.code();
  }
}

// The bytes with every bit turned in turn.
template <typename Use>
void for_each_flip(const std::string& whole, Use use) {
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    use(bytes);
  }
}

TEST_F(Files, DamagedModelsGiveResultsOrErrors) {
  TemporaryFile file("damaged.onnx");
  {
    Model model;
    model.graph.save(file.path(), {model.y}, &model.session);
  }
  const std::string whole = file.content();
  ASSERT_EQ(code_of(whole), WEFT_OK);
  weft::set_memory_limit(int64_t{1} << 26);  // a flipped bit may ask for any size
  int loaded = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    const int32_t code = code_of(whole.substr(0, size));
    EXPECT_TRUE(code == WEFT_DATA_LOSS || code == WEFT_OK) << code << " for " << size << " bytes";
    loaded += code == WEFT_OK;
  }
  EXPECT_LE(loaded, 1);  // without the last field, which says the version of the operators
  int counts[16] = {};
  for_each_flip(whole, [&](const std::string& bytes) { ++counts[code_of(bytes)]; });
  EXPECT_GT(counts[WEFT_OK], 0);
  EXPECT_GT(counts[WEFT_DATA_LOSS], 0);
  EXPECT_GT(counts[WEFT_INVALID_ARGUMENT], 0);
  weft::set_memory_limit(0);
}

// Loads a checkpoint, of which a file that is refused changes nothing.
int32_t code_of_checkpoint(const Model& model, const std::string& path) {
  try {
    model.session.load(path);
    return WEFT_OK;
  } catch (const weft::Error& error) {
    EXPECT_EQ(model.session.get("w").to_vector<float>(), (std::vector<float>{3, 3})) << error.what();
    return error.code();
  }
}

TEST_F(Files, DamagedCheckpointsChangeNothing) {
  Model model;
  TemporaryFile file("damaged.safetensors");
  model.session.save(file.path());
  const std::string whole = file.content();
  for (size_t size = 0; size < whole.size(); ++size) {
    file.write(whole.substr(0, size));
    EXPECT_EQ(code_of_checkpoint(model, file.path()), WEFT_DATA_LOSS) << size << " bytes";
  }
  // The header begins with its own size in 8 bytes; that and a brace are never right with a bit flipped.
  for_each_flip(whole.substr(0, 9), [&](const std::string& bytes) {
    file.write(bytes + whole.substr(9));
    EXPECT_EQ(code_of_checkpoint(model, file.path()), WEFT_DATA_LOSS);
  });
  EXPECT_EQ(code_of_checkpoint(model, (file.write(whole), file.path())), WEFT_OK);
}

// A safetensors file with that header and 8 bytes of data.
std::string safetensors(const std::string& header) {
  std::string size(8, '\0');
  size[0] = static_cast<char>(header.size());
  return size + header + std::string(8, '\1');
}

TEST_F(Files, SizesThatLieAreErrors) {
  const std::string hostile[] = {
      "",
      std::string(8, '\xff'),                                 // a header of 2^64 - 1 bytes
      std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10),  // of 2^63 - 1
      safetensors(R"({"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})"),
      safetensors(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})"),
      safetensors(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})"),
      safetensors(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}})"),
      safetensors(R"({"x":{"dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8]}})"),  // 2^62 + 2, times 4
      safetensors(R"({"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}})"),
      safetensors(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551624]}})"),  // 2^64 + 8
  };
  for (const std::string& bytes : hostile) {
    TemporaryFile file("hostile.safetensors");
    file.write(bytes);
    for (bool map : {false, true}) {
      EXPECT_EQ(error_of([&] { weft::load_tensors(file.path(), map); }).code(), WEFT_DATA_LOSS) << bytes;
    }
    EXPECT_EQ(error_of([&] { weft::Dataset::load(file.path()); }).code(), WEFT_DATA_LOSS) << bytes;
  }
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST_F(Files, ModelsWhoseWeightsAreElsewhere) {
  TemporaryFile file("beside.onnx"), weights("beside.bin");
  const std::string name = weights.path().substr(weights.path().rfind('/') + 1);
  {
    Model model(1000);
    weft::SaveOptions options;
    options.weights = name;
    model.graph.save(file.path(), {model.y}, &model.session, options);
  }
  const std::string whole = file.content(), bytes = weights.content();
  const std::string outside = "../" + std::string(name.size() - 3, 'x');
  const std::pair<std::string, int32_t> hostile[] = {
      {replaced(whole, name, outside), WEFT_INVALID_ARGUMENT},
      {replaced(whole, name, "/" + std::string(name.size() - 1, 'x')), WEFT_INVALID_ARGUMENT},
      {replaced(whole, name, std::string(name.size(), 'x')), WEFT_NOT_FOUND},
      {replaced(whole, "4000", "9999"), WEFT_DATA_LOSS},  // the length
      {replaced(whole, "4000", "-400"), WEFT_DATA_LOSS},
      {replaced(whole, "4000", "4e00"), WEFT_DATA_LOSS},
  };
  for (const auto& [model, code] : hostile) {
    file.write(model);
    EXPECT_EQ(error_of([&] { weft::Graph::load(file.path()); }).code(), code);
  }
  file.write(whole);
  weights.write(bytes.substr(0, bytes.size() - 1));
  const weft::Error error = error_of([&] { weft::Graph::load(file.path()); });
  EXPECT_EQ(error.code(), WEFT_DATA_LOSS);
  EXPECT_NE(error.message().find("lies beyond the end of '" + weights.path()), std::string::npos) << error.what();
  weights.write(bytes);
  EXPECT_EQ(weft::Graph::load(file.path()).outputs().size(), 1u);
}

// In the folder, the German locale for this process. Few machines have it; its sources are in Debian's package locales.
class Commas {
 public:
  explicit Commas(const std::string& folder) {
    const std::string make = "localedef -i de_DE -f UTF-8 '" + folder + "/de_DE.UTF-8' 2>/dev/null";
    EXPECT_EQ(std::system(make.c_str()), 0);
    setenv("LOCPATH", folder.c_str(), 1);
    before_ = std::locale::global(std::locale("de_DE.UTF-8"));  // streams, and setlocale with it
  }
  ~Commas() {
    std::locale::global(before_);
    unsetenv("LOCPATH");
  }

 private:
  std::locale before_;
};

// What people and files see.
std::vector<std::string> texts(const std::string& path) {
  std::vector<std::string> out;
  auto content = [&] {
    std::ifstream file(path, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  };
  Model model(1234);
  weft::LeakyReluAttrs attrs;
  attrs.alpha = 0.125;
  model.graph.save(path, {weft::leaky_relu(model.y * 1234567.5, attrs)}, &model.session);
  content();
  model.session.save(path);
  model.session.load(path);
  content();
  std::ofstream(path, std::ios::binary) << "a,b\n1.5,-2.25e-3\n";
  out.push_back(weft::load_tensor(path).text());
  out.push_back(model.graph.text() + model.graph.dot() + model.y.shape());
  out.push_back(error_of([&] { weft::Sgd(-1.5).minimize(model.y); }).what());
  return out;
}

TEST_F(Files, ALocaleWithCommasChangesNothing) {
  TemporaryFile folder("locales"), file("numbers.csv");
  ASSERT_EQ(mkdir(folder.path().c_str(), 0700), 0);
  const std::vector<std::string> point = texts(file.path());
  {
    Commas commas(folder.path());
    char text[8];
    std::snprintf(text, sizeof text, "%.1f", 1.5);
    ASSERT_STREQ(text, "1,5");
    EXPECT_EQ(texts(file.path()), point);
  }
  EXPECT_EQ(std::system(("rm -r '" + folder.path() + "'").c_str()), 0);
}

}  // namespace
