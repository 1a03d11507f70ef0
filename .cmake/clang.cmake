# The second compiler.
#   cmake -C .cmake/clang.cmake -B build/clang && cmake --build build/clang
set(CMAKE_GENERATOR Ninja CACHE INTERNAL "")
set(CMAKE_BUILD_TYPE Release CACHE STRING "")
set(CMAKE_C_COMPILER clang-14 CACHE STRING "")
