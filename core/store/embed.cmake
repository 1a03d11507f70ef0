# SPDX-License-Identifier: Apache-2.0
# Puts the numbered schema files into the binary: schema/<kind>/NNNN_name.sql become rows of a table
# in a generated C file. Included, it defines embed_schema(); run by `cmake -P`, it writes the file.
if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})
  function(embed_schema target folder)
    file(GLOB files CONFIGURE_DEPENDS ${folder}/*/*.sql)
    set(output ${CMAKE_CURRENT_BINARY_DIR}/schema.c)
    add_custom_command(OUTPUT ${output} VERBATIM
      COMMAND ${CMAKE_COMMAND} -DFOLDER=${folder} -DOUTPUT=${output} -P ${EMBED_SCRIPT}
      DEPENDS ${files} ${EMBED_SCRIPT} COMMENT "Embedding the store's schema")
    target_sources(${target} PRIVATE ${output})
  endfunction()
  return()
endif()

file(GLOB files RELATIVE ${FOLDER} ${FOLDER}/*/*.sql)
list(SORT files)
set(arrays "")
set(rows "")
foreach(file ${files})
  if(NOT file MATCHES "^([a-z]+)/([0-9][0-9][0-9][0-9])_([a-z0-9_]+)\\.sql$")
    message(FATAL_ERROR "${FOLDER}/${file}: must be <kind>/NNNN_name.sql")
  endif()
  set(kind ${CMAKE_MATCH_1})
  set(name ${CMAKE_MATCH_3})
  math(EXPR number "1${CMAKE_MATCH_2} - 10000")
  file(READ ${FOLDER}/${file} hex HEX)
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND arrays "static const char ${kind}_${number}[] = {\n${bytes}0};\n")
  string(APPEND rows "    { \"${kind}\", ${number}, \"${name}\", ${kind}_${number} },\n")
endforeach()
file(WRITE ${OUTPUT}.new "/* Made by embed.cmake from the files in schema/. */
#include \"store/schema_int.h\"
#include <stddef.h>
${arrays}
const struct schema_step schema_steps[] = {
${rows}    { NULL, 0, NULL, NULL },
};
")
file(RENAME ${OUTPUT}.new ${OUTPUT})
