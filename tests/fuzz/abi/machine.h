// A machine whose programs are calls of the C ABI: bytes that a fuzzer makes up say which function comes next and with what,
// and what functions give is kept for those that come later. It keeps to what the headers ask of callers: what was freed is
// not used, memory is as large as is said, what is shared is not written to. All else is the program's to get wrong.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/fuzz/abi/handles.h"
#include "tests/fuzz/target.h"
#include "weft/weft.h"

namespace weft::abi_fuzz {

class Call;
class Machine;

// A function of the ABI, and how a program calls it.
struct Entry {
  uint16_t id;  // by which programs know it
  const char* name;
  void (*call)(Call& c);
  bool nested;  // whether a callback may, inside another call
};
std::span<const Entry> entries();  // by their numbers
std::span<const char* const> words();

// A function that no program calls.
struct LeftOut {
  const char* name;
  const char* reason;
};
std::vector<LeftOut> left_out();

// How often programs have called each of `entries`, and without an error.
struct Tally {
  int64_t calls = 0, successes = 0;
};
std::vector<Tally>& tallies();

// What a callback is given as `user`, or memory that is lent: it must be dropped once.
struct Token {
  Token(Machine* machine, uint8_t how) : machine(machine), how(how) {}

  Machine* const machine;
  const uint8_t how;  // what the callback does
  int calls = 0;
  std::atomic<int> drops{0};
  std::unique_ptr<uint64_t[]> memory;
};

// What programs give as callbacks; callbacks.cc.
void on_drop(void* user);
weft_status* on_poll(void* user);
void on_log(void* user, int32_t level, const char* text);
weft_status* on_host(void* user, const weft_tensor* const* inputs, int32_t input_count, weft_tensor** out_tensors,
                     int32_t output_count);
weft_status* on_batch(void* user, weft_tensors* out_batch);
weft_status* on_pass(void* user, int64_t epoch, weft_batches** out_batches);
weft_status* on_fit(void* user, int32_t event, int64_t epoch, int64_t batch, int64_t batch_count,
                    const char* const* names, const double* averages, int32_t metric_count, int32_t* out_stop);
weft_status* on_body(void* user, weft_graph* graph, const int64_t* inputs, int32_t input_count, const weft_attrs* attrs,
                     int64_t* out_values, int32_t output_count);

// Once for the process, before the first program: its limits, and an operator of its own, kOperator.
inline constexpr const char* kOperator = "fuzz.Twice";
void start();

class Machine {
 public:
  static constexpr int64_t kMemory = int64_t{1} << 24;  // that tensors may take
  static constexpr uint8_t kNull = 255;                 // in place of what a pointer leads to
  // What a run may take, and a program.
  static inline double seconds_of_a_run = 0.1, seconds_of_a_program = 2;

  explicit Machine(std::string_view program) : rest_(program) {}
  Machine(const Machine&) = delete;
  // Frees what is left, and sees that all was given back.
  ~Machine();

  // To the end of the program, or of the time or the calls that one may take.
  void run();
  // A call or two that a callback makes.
  void run_nested();
  bool nested() const { return depth_ > 0; }

  // The next byte of the program; 0 behind its end. Likewise a number of two bytes, and one of eight.
  uint8_t byte();
  uint16_t short_number();
  int64_t long_number();
  std::string raw(size_t bytes);

  template <typename T>
  std::vector<T*>& pool() {
    return std::get<std::vector<T*>>(pools_);
  }
  template <typename T>
  void keep(T* object) {
    pool<T>().push_back(object);
  }
  Token* token(uint8_t how) { return &tokens_.emplace_back(this, how); }
  // Options that hold nothing but a deadline.
  weft_options* default_options(const char* kind);
  // Where the program's files are: nowhere else. What is in there goes with the program.
  const std::string& folder();

  std::vector<int64_t> values;                     // of graphs, the latest last
  std::vector<std::pair<void*, int32_t>> managed;  // tensors of DLPack, and whether versioned
  bool endless = false;                            // a loop was named, which may have no end

 private:
  void call_one();

  std::string_view rest_;
  int depth_ = 0;
  Pools pools_;
  std::deque<Token> tokens_;
  weft_options *run_options_ = nullptr, *fit_options_ = nullptr;
  bool has_files_ = false;
};

// One call: what it draws from the program lives as long.
class Call {
 public:
  Call(Machine& machine, size_t entry);

  // -- Arguments. NULL where the program says so.
  // An object that is there; NULL if there is none of the kind.
  template <typename T>
  T* handle() {
    const uint8_t back = machine_.byte();
    const std::vector<T*>& pool = machine_.pool<T>();
    return back == Machine::kNull || pool.empty() ? nullptr : pool[pool.size() - 1 - back % pool.size()];
  }
  // The same to be freed: it is there no longer.
  template <typename T>
  T* taken() {
    T* const object = handle<T>();
    std::erase(machine_.pool<T>(), object);
    return object;
  }
  template <typename Function>
  Function* callback(Function* function) {
    return machine_.byte() == Machine::kNull ? nullptr : function;
  }
  void* token() { return machine_.token(machine_.byte()); }
  // Options with a deadline, others than those of the call that this one is inside of.
  const weft_options* limited(const char* kind);

  int64_t number();
  int32_t number32() { return static_cast<int32_t>(number()); }
  double real();
  int32_t dtype();
  int32_t count();  // of a list, that may be too short to be one
  int64_t value();
  const char* text();
  const char* op_name();
  const char* path();
  const char* folder();
  const char* format();
  const char* host_name();
  const char* option_text();
  const char* cache();  // a folder for packed weights
  const char* schema_name();
  const void* bytes(size_t* size);
  const int64_t* dims(int64_t count);
  const int64_t* numbers(int64_t count);
  const int64_t* values(int64_t count);
  const double* reals(int64_t count);
  const char* const* texts(int64_t count);
  const weft_tensor* const* tensors(int64_t count);

  // Zeroed memory of exactly so many elements, so that a step outside is seen; of none if the count is negative.
  template <typename T>
  T* room(int64_t count) {
    const size_t bytes = sizeof(T) * static_cast<size_t>(count > 0 ? count : 0);
    memory_.emplace_back(new char[bytes]());
    return reinterpret_cast<T*>(memory_.back().get());
  }

  // -- Results.
  template <typename T>
  void keep(weft_status* status, T* made) {
    must(status == nullptr || made == nullptr);
    if (made != nullptr) machine_.keep(made);
  }
  void keep_all(weft_status* status, weft_tensor* const* made, int64_t count);
  void keep_values(weft_status* status, const int64_t* made, int64_t count);
  // Looks at what is pointed to.
  void read(const char* text);
  void read(const void* data, size_t bytes);
  // The call has ended, without an error if there is no status. That may be any but one that blames the library.
  void done(weft_status* status = nullptr);

  bool endless() const { return machine_.endless; }
  Machine& machine() { return machine_; }

 private:
  const char* copied(std::string_view text);
  // One of a few texts.
  const char* one_of(std::span<const char* const> texts);

  Machine& machine_;
  const size_t entry_;
  std::vector<std::unique_ptr<char[]>> memory_;
};

}  // namespace weft::abi_fuzz
