// Multiplies and adds in registers alone, on as many threads as asked for, and prints the GFLOP/s of all: fma_peak [threads].
// What the processor gives at this moment, and so whether something else disturbs it.
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

double peak() {
  peak_over(2e-3);  // in which the clock rises
  return peak_over(10e-3);
}

}  // namespace

int main(int argc, char** argv) {
  int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  std::vector<double> peaks(threads > 1 ? threads : 1);
  std::vector<std::thread> others;
  for (size_t i = 1; i < peaks.size(); ++i) others.emplace_back([&peaks, i] { peaks[i] = peak(); });
  peaks[0] = peak();
  for (std::thread& other : others) other.join();
  std::printf("%.2f\n", std::accumulate(peaks.begin(), peaks.end(), 0.0));
  return 0;
}
