# The one-word targets, for `cmake --build build/release --target WORD`. `words` prints this table;
# CMake itself brings `all`, `install`, `test` (every test of what is built) and `help` (all targets).
find_program(SYSTEM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)
set(in_source WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} USES_TERMINAL VERBATIM)
set(words "all      build everything")

function(word name purpose)
  add_custom_target(${name} ${ARGN} ${in_source})
  string(LENGTH "${name}" width)
  math(EXPR width "9 - ${width}")
  string(REPEAT " " ${width} gap)
  set(words "${words}\n${name}${gap}${purpose}" PARENT_SCOPE)
endfunction()

get_property(plugins GLOBAL PROPERTY CATALYST_PLUGINS)
add_custom_target(product)
if(TARGET catalyst)
  add_dependencies(product catalyst ${plugins})
endif()
set(words "${words}\nproduct  the binary and the plugins, no tests")
word(check "build everything, then the tests without servers (unit, sim, scenario, abi, fuzz)"
     COMMAND ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR}
     COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${CMAKE_BINARY_DIR} --output-on-failure -j 2
             -L "unit|sim|scenario|abi|fuzz")
set(words "${words}\ntest     every test of what is built, real servers included")
word(format "clang-format on every C file"
     COMMAND ${CMAKE_SOURCE_DIR}/tests/lint.sh format)
word(lint "format, house rules and clang-tidy on the files changed since the last commit"
     COMMAND ${CMAKE_SOURCE_DIR}/tests/lint.sh changed ${CMAKE_BINARY_DIR})
word(lint-all "the same on every file"
     COMMAND ${CMAKE_SOURCE_DIR}/tests/lint.sh all ${CMAKE_BINARY_DIR})
word(bench "the standard loads on real servers, a table and JSON lines in tests/bench/results"
     COMMAND ${SYSTEM_PYTHON} ${CMAKE_SOURCE_DIR}/tests/bench/bench.py --build ${CMAKE_BINARY_DIR})
if(TARGET catalyst)
  word(docs "READMEs of plugins, core/main and workflows from what they describe"
       COMMAND $<TARGET_FILE:gen_docs> ${CMAKE_SOURCE_DIR}/plugins ${CMAKE_BINARY_DIR}/plugins
       COMMAND sh -c "$<TARGET_FILE:catalyst> help settings --docs > core/main/README.md"
       COMMAND ${SYSTEM_PYTHON} ${CMAKE_SOURCE_DIR}/tests/docs/pictures.py
       COMMAND ${SYSTEM_PYTHON} ${CMAKE_SOURCE_DIR}/tests/docs/alerts.py)
  add_dependencies(docs product gen_docs)
endif()
set(words "${words}\nwords    this list")
file(WRITE ${CMAKE_BINARY_DIR}/words.txt "${words}\n")
add_custom_target(words COMMAND ${CMAKE_COMMAND} -E cat ${CMAKE_BINARY_DIR}/words.txt
                  USES_TERMINAL VERBATIM)
