# Address and undefined behaviour sanitizers.
#   cmake -C .cmake/asan.cmake -B build/asan && cmake --build build/asan
set(CMAKE_GENERATOR Ninja CACHE INTERNAL "")
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(SANITIZE asan CACHE STRING "")
