# The SMSC sink, for the example, the benchmark and the tests.
add_executable(smsc_sink ${CMAKE_CURRENT_LIST_DIR}/smsc_sink.c
  ${CMAKE_CURRENT_LIST_DIR}/sink_options.c ${CMAKE_CURRENT_LIST_DIR}/sink_later.c
  ${CMAKE_CURRENT_LIST_DIR}/sink_conn.c ${CMAKE_CURRENT_LIST_DIR}/sink_answer.c
  ${CMAKE_CURRENT_LIST_DIR}/sink_receipt.c)
target_link_libraries(smsc_sink PRIVATE catalyst_smpp)
