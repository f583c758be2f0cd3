# Lists made from file names: nobody registers an operator, kernel, rule or layer by hand, and a forgotten function is
# a link error.

# weft_list(<out file> <function prefix> <registry type> <function that calls all> <header> <files...>)
function(weft_list out prefix registry all header)
  set(declarations "")
  set(calls "")
  foreach(file IN LISTS ARGN)
    get_filename_component(stem ${file} NAME_WE)
    if(stem MATCHES "_common$")
      continue()
    endif()
    string(APPEND declarations "void ${prefix}_${stem}(${registry}&);\n")
    string(APPEND calls "  ${prefix}_${stem}(registry);\n")
  endforeach()
  set(text "// Generated from the names of files.\n#include \"${header}\"\n\nnamespace weft {\n\n${declarations}void ${all}(${registry}&);\n\nvoid ${all}([[maybe_unused]] ${registry}& registry) {\n${calls}}\n\n}  // namespace weft\n")
  file(GENERATE OUTPUT ${out} CONTENT "${text}")
endfunction()
