// Files of the tests of the C++ header.
#include "support.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

TemporaryFile::TemporaryFile(const std::string& name, const std::string& content)
    : path_(testing::TempDir() + std::to_string(getpid()) + "-" + name) {
  if (!content.empty()) write(content);
}

TemporaryFile::~TemporaryFile() { std::remove(path_.c_str()); }

std::string TemporaryFile::content() const {
  std::ostringstream out;
  out << std::ifstream(path_, std::ios::binary).rdbuf();
  return out.str();
}

void TemporaryFile::write(const std::string& content) const { std::ofstream(path_, std::ios::binary) << content; }
