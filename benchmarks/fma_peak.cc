// Multiplies and adds in registers alone, on as many threads as asked for, and prints the GFLOP/s of all: fma_peak [threads].
// What the processor gives at this moment, and so whether something else disturbs it.
#include <sched.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <thread>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
// As many sums as hide the latency of the two units and still fit the registers.
constexpr int kSums = 12;

typedef float Vector __attribute__((vector_size(kLanes * sizeof(float))));

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// The sums after some rounds. They are local and the loop over them is unrolled, so that each lives in a register.
Vector rounds_of_sums(int rounds, Vector factor) {
  Vector sums[kSums];
  for (Vector& sum : sums) sum = factor;
  for (int i = 0; i < rounds; ++i) {
#pragma GCC unroll 16
    for (Vector& sum : sums) sum = sum * factor + factor;
  }
  for (int i = 1; i < kSums; ++i) sums[0] += sums[i];
  return sums[0];
}

// GFLOP/s of one thread over some time.
double peak_over(double time) {
  constexpr int kRounds = 20000;
  Vector factor = {};
  double begin = seconds(), spent = 0, flops = 0;
  while (spent < time) {
    factor += rounds_of_sums(kRounds, factor);
    asm volatile("" : "+m"(factor));  // the sums are of use to nobody, which the compiler may not know
    flops += 2.0 * kLanes * kSums * kRounds;
    spent = seconds() - begin;
  }
  return flops / spent * 1e-9;
}

// The processors that this process may use.
std::vector<int> processors() {
  cpu_set_t allowed;
  std::vector<int> found;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return found;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &allowed)) found.push_back(i);
  }
  return found;
}

// Of a thread with a processor of its own, where there are as many: the system may leave a new thread beside the one that
// began it for longer than this takes.
double peak(const std::vector<int>& processors, size_t thread) {
  if (thread < processors.size()) {
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(processors[processors.size() - 1 - thread], &own);
    sched_setaffinity(0, sizeof own, &own);
  }
  peak_over(2e-3);  // in which the clock rises
  return peak_over(10e-3);
}

}  // namespace

int main(int argc, char** argv) {
  int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  std::vector<double> peaks(threads > 1 ? threads : 1);
  const std::vector<int> where = processors();
  std::vector<std::thread> others;
  for (size_t i = 1; i < peaks.size(); ++i) others.emplace_back([&, i] { peaks[i] = peak(where, i); });
  peaks[0] = peak(where, 0);
  for (std::thread& other : others) other.join();
  std::printf("%.2f\n", std::accumulate(peaks.begin(), peaks.end(), 0.0));
  return 0;
}
