# Thread sanitizer, for loops, mailboxes and workers.
#   cmake -C .cmake/tsan.cmake -B build/tsan && cmake --build build/tsan
set(CMAKE_GENERATOR Ninja CACHE INTERNAL "")
set(CMAKE_BUILD_TYPE Debug CACHE STRING "")
set(SANITIZE tsan CACHE STRING "")
