# The wire half (PDUs, alphabets, segments, receipts) is a library of its own, catalyst_smpp, for it
# is also what the fuzzer, the bench, the sink of examples/messaging and the tests are built on. The
# tests link it by the plugin; they need not include its sources.
file(GLOB codec CONFIGURE_DEPENDS ${folder}/pdu_*.c ${folder}/gsm_*.c ${folder}/segment*.c
     ${folder}/receipt*.c ${folder}/status.c ${folder}/address.c)
add_library(catalyst_smpp STATIC ${codec})
target_include_directories(catalyst_smpp PUBLIC ${folder})
target_link_libraries(catalyst_smpp PUBLIC catalyst_sdk)

get_target_property(rest ${plugin} SOURCES)
list(REMOVE_ITEM rest ${codec})
set_target_properties(${plugin} PROPERTIES SOURCES "${rest}")
target_link_libraries(${plugin} PRIVATE catalyst_smpp)
