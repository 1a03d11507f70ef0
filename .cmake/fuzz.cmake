# The fuzzers, which clang alone can build; see tests/fuzz/CMakeLists.txt for how to run one.
#   cmake -C .cmake/fuzz.cmake -B build/fuzz && cmake --build build/fuzz --target fuzzers
set(CMAKE_GENERATOR Ninja CACHE INTERNAL "")
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(CMAKE_C_COMPILER clang-14 CACHE STRING "")
set(SANITIZE asan CACHE STRING "")
set(FUZZ ON CACHE BOOL "")
