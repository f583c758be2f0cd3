// Drawings of graphs, made by Graphviz.
#include "core/graph/svg.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "core/base/text.h"

namespace weft {

namespace {

// Waits for the program. A host that ignores SIGCHLD cannot be told how it ended: then the file tells.
bool has_drawn(pid_t child) {
  int result = 0;
  while (waitpid(child, &result, 0) < 0) {
    if (errno != EINTR) return errno == ECHILD;
  }
  return result == 0;
}

}  // namespace

// The DOT text through the program `dot`, by files in a folder of our own: no shell, no pipes to fill.
Result<std::string> graph_svg(const std::string& dot) {
  const char* place = std::getenv("TMPDIR");
  std::string folder = cat(place != nullptr && *place != 0 ? place : "/tmp", "/weft-svg-XXXXXX");
  if (mkdtemp(folder.data()) == nullptr) {
    return make_error(Code::kUnavailable, "cannot make a temporary folder '", folder, "' for the drawing");
  }
  std::string in = cat(folder, "/graph.dot"), out = cat(folder, "/graph.svg");
  Status status;
  std::string svg;
  if (FILE* file = std::fopen(in.c_str(), "w")) {
    bool written = std::fwrite(dot.data(), 1, dot.size(), file) == dot.size();
    written = std::fclose(file) == 0 && written;
    std::string program = "dot", format = "-Tsvg", to = "-o";
    char* arguments[] = {program.data(), format.data(), in.data(), to.data(), out.data(), nullptr};
    pid_t child = 0;
    if (!written) {
      status = make_error(Code::kUnavailable, "cannot write the temporary file '", in, "'");
    } else if (posix_spawnp(&child, "dot", nullptr, nullptr, arguments, environ) != 0) {
      status =
          make_error(Code::kUnavailable, "drawing needs the program 'dot' of Graphviz; install the package graphviz");
    } else if (!has_drawn(child)) {
      status = make_error(Code::kUnavailable, "the program 'dot' of Graphviz failed to draw the graph");
    } else if (FILE* drawn = std::fopen(out.c_str(), "r")) {
      char block[65536];
      for (size_t n; (n = std::fread(block, 1, sizeof block, drawn)) > 0;) svg.append(block, n);
      std::fclose(drawn);
    }
  } else {
    status = make_error(Code::kUnavailable, "cannot write the temporary file '", in, "'");
  }
  unlink(in.c_str());
  unlink(out.c_str());
  rmdir(folder.c_str());
  if (!status.ok()) return status;
  return svg;
}

}  // namespace weft
