# The SMSC sink, for the example, the benchmark and the tests.
add_executable(smsc_sink ${CMAKE_CURRENT_LIST_DIR}/smsc_sink.c
  ${CMAKE_CURRENT_LIST_DIR}/sink_options.c ${CMAKE_CURRENT_LIST_DIR}/sink_later.c
  ${CMAKE_CURRENT_LIST_DIR}/sink_conn.c ${CMAKE_CURRENT_LIST_DIR}/sink_answer.c
  ${CMAKE_CURRENT_LIST_DIR}/sink_receipt.c)
target_link_libraries(smsc_sink PRIVATE catalyst_smpp)

# The example itself: it fails when a number does not add up.
if(TARGET catalyst)
  add_test(NAME scenario.example.messaging
           COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/run.sh --messages 600)
  add_test(NAME integration.example_messaging
           COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/run.sh --messages 2000 --real)
  set_tests_properties(scenario.example.messaging PROPERTIES LABELS scenario TIMEOUT 600)
  set_tests_properties(integration.example_messaging PROPERTIES LABELS integration TIMEOUT 600)
  set_tests_properties(scenario.example.messaging integration.example_messaging PROPERTIES
    SKIP_RETURN_CODE 77 ENVIRONMENT "CATALYST_BUILD=${CMAKE_BINARY_DIR}")
endif()
