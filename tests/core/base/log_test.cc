// Log messages: silent by default, filtered, and safe to redirect at any time.
#include "core/base/log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace weft {
namespace {

struct Heard {
  std::vector<std::string> lines;
  int drops = 0;
};

void hear(void* user, LogLevel level, const char* message) {
  static_cast<Heard*>(user)->lines.push_back(cat(log_level_name(level), ": ", message));
}
void drop(void* user) { ++static_cast<Heard*>(user)->drops; }

TEST(Log, SilentByDefault) {
  EXPECT_FALSE(log_enabled(LogLevel::kError));
  log(LogLevel::kError, "nobody hears this");
}

TEST(Log, SendsWhatIsLoudEnough) {
  Heard heard;
  set_log(LogLevel::kWarning, hear, &heard, drop);
  log(LogLevel::kInfo, "quiet");
  log(LogLevel::kWarning, "count ", 3);
  log(LogLevel::kError, "ratio ", 0.5);
  EXPECT_EQ(heard.lines, (std::vector<std::string>{"warning: count 3", "error: ratio 0.5"}));
  EXPECT_EQ(heard.drops, 0);
  set_log(LogLevel::kDebug, nullptr, nullptr, nullptr);
  EXPECT_EQ(heard.drops, 1);
  EXPECT_FALSE(log_enabled(LogLevel::kError));
  log(LogLevel::kError, "nobody hears this");
  EXPECT_EQ(heard.lines.size(), 2u);
}

TEST(Log, DropsOnceEvenWithoutFunction) {
  Heard heard;
  set_log(LogLevel::kDebug, nullptr, &heard, drop);
  set_log(LogLevel::kDebug, nullptr, nullptr, nullptr);
  EXPECT_EQ(heard.drops, 1);
}

TEST(Log, MayBeReplacedWhileOthersLog) {
  struct Sink {
    std::atomic<int> heard{0};
    std::atomic<int> drops{0};
    std::atomic<int> after_drop{0};
  };
  std::vector<Sink> sinks(200);
  std::atomic<bool> done{false};
  std::vector<std::thread> loggers;
  for (int i = 0; i < 3; ++i) {
    loggers.emplace_back([&] {
      while (!done) log(LogLevel::kError, "message");
    });
  }
  for (Sink& sink : sinks) {
    set_log(
        LogLevel::kDebug,
        [](void* user, LogLevel, const char*) {
          auto* s = static_cast<Sink*>(user);
          s->after_drop += s->drops;
          ++s->heard;
        },
        &sink, [](void* user) { ++static_cast<Sink*>(user)->drops; });
    std::this_thread::yield();
  }
  set_log(LogLevel::kNone, nullptr, nullptr, nullptr);
  done = true;
  for (auto& logger : loggers) logger.join();
  for (Sink& sink : sinks) {
    EXPECT_EQ(sink.drops, 1);
    EXPECT_EQ(sink.after_drop, 0);
  }
}

}  // namespace
}  // namespace weft
