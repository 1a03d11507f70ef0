# For the debugger: no optimisation.
#   cmake -C .cmake/debug.cmake -B build/debug && cmake --build build/debug
set(CMAKE_GENERATOR Ninja CACHE INTERNAL "")
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
