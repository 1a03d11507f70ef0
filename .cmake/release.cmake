# Optimised, with symbols: what is installed and measured.
#   cmake -C .cmake/release.cmake -B build/release && cmake --build build/release
set(CMAKE_GENERATOR Ninja CACHE INTERNAL "")
set(CMAKE_BUILD_TYPE Release CACHE STRING "")
